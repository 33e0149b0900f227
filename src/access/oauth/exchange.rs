//! Carrying out what the endpoints are asked: who is calling, and which use case it comes to.

use actix_web::HttpRequest;

use super::credentials::{Credentials, Said};
use super::form::Form;
use super::model::{Introspection, TokenAnswer, TokenInHand, TokenRequest};
use super::refusal::{ErrorCode, Refusal};
use super::service::{self, Caller};
use crate::access::authentication::{Need, Origin, middleware, needs};
use crate::access::clients::service::{self as clients, AuthenticatedClient};
use crate::app_state::State;
use crate::platform::crypto::TokenKind;
use crate::platform::error::{AppError, Code};

/// A token for whoever calls.
pub async fn issue(
    app: &State,
    request: &HttpRequest,
    form: Result<Form<TokenRequest>, AppError>,
) -> Result<TokenAnswer, Refusal> {
    let Form(form) = form?;
    let (origin, scope) = (Origin::of(request), form.scope);
    let caller = caller(app, request, form.client).await?;
    match (form.grant_type.as_str(), caller) {
        ("client_credentials", Caller::Client(client)) => {
            let issuer = app.issuer.clone();
            let answer = app.db.write(move |tx| {
                service::client_credentials(tx, &issuer, &client, scope.as_deref(), &origin)
            });
            Ok(answer.await?)
        }
        ("client_credentials", Caller::FirstParty) => {
            let detail = "this grant is for service clients";
            Err(Refusal::new(ErrorCode::UnauthorizedClient, detail))
        }
        ("refresh_token", caller) => {
            let missing = || Refusal::new(ErrorCode::InvalidRequest, "refresh_token is required");
            let presented = form.refresh_token.ok_or_else(missing)?;
            if let Caller::Client(_) = caller {
                let detail = "the token was issued to another client";
                return Err(Refusal::new(ErrorCode::InvalidGrant, detail));
            }
            let token_context = app.token_context.clone();
            let answer = app.db.write(move |tx| {
                service::refresh(tx, &token_context, &presented, scope.as_deref(), &origin)
            });
            Ok(answer.await?)
        }
        _ => {
            let detail = "grant_type is client_credentials or refresh_token";
            Err(Refusal::new(ErrorCode::UnsupportedGrantType, detail))
        }
    }
}

/// What the caller may know of a token.
pub async fn examine(
    app: &State,
    request: &HttpRequest,
    form: Result<Form<TokenInHand>, AppError>,
) -> Result<Introspection, Refusal> {
    let Form(asked) = form?;
    let Caller::Client(client) = caller(app, request, asked.client).await? else {
        let detail = "only service clients ask about tokens";
        return Err(Refusal::new(ErrorCode::InvalidClient, detail));
    };
    let (token, issuer) = (asked.token, app.issuer.clone());
    let is_personal = TokenKind::PersonalToken.is_on(&token);
    match middleware::look_up(app, &token).await {
        Ok(facts) => {
            let described = app.db.read(move |tx| {
                // It may have run out this very moment.
                match (is_personal, issuer.verify(&token)) {
                    (true, _) => service::describe(tx, &issuer, &facts, None),
                    (false, Ok(claims)) => service::describe(tx, &issuer, &facts, Some(&claims)),
                    (false, Err(_)) => Ok(Introspection::default()),
                }
            });
            Ok(described.await?)
        }
        Err(error) if error.code() != Code::AuthTokenInvalid => Err(error.into()),
        Err(_) if may_see_refresh_tokens(&client, asked.hint.as_deref()) => {
            let described = app
                .db
                .read(move |tx| service::describe_refresh_token(tx, &issuer, &token));
            Ok(described.await?)
        }
        Err(_) => Ok(Introspection::default()),
    }
}

fn may_see_refresh_tokens(client: &AuthenticatedClient, hint: Option<&str>) -> bool {
    let permission = needs::ReadSessions::PERMISSION;
    hint == Some("refresh_token") && client.permissions.iter().any(|name| name == permission)
}

/// Ends what a token stands for.
pub async fn revoke(
    app: &State,
    request: &HttpRequest,
    form: Result<Form<TokenInHand>, AppError>,
) -> Result<(), Refusal> {
    let Form(TokenInHand { token, client, .. }) = form?;
    let caller = caller(app, request, client).await?;
    let (issuer, origin) = (app.issuer.clone(), Origin::of(request));
    let revoked = app
        .db
        .write(move |tx| service::revoke(tx, &issuer, &caller, &token, &origin));
    Ok(revoked.await??)
}

/// Who is calling.
async fn caller(app: &State, request: &HttpRequest, said: Said) -> Result<Caller, Refusal> {
    let (id, secret) = match Credentials::of(request.headers(), said)? {
        Credentials::FirstParty => return Ok(Caller::FirstParty),
        Credentials::Secret { id, secret } => (id, secret),
    };
    let named = id.clone();
    let recognized = app
        .db
        .read(move |tx| clients::recognize(tx, &named, &secret));
    match recognized.await {
        Ok(client) => Ok(Caller::Client(client)),
        Err(error) if error.code() == Code::AuthInvalidCredentials => {
            let origin = Origin::of(request);
            let turned_away = app.db.write(move |tx| clients::turn_away(tx, &id, &origin));
            Ok(turned_away.await?)
        }
        Err(error) => Err(error.into()),
    }
}
