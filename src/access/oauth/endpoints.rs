//! The logic of the token, introspection and revocation endpoints: authenticates the client and calls the service.

use actix_web::HttpRequest;

use super::credentials::{ClientCredentials, FormCredentials};
use super::error::{OAuthError, OAuthErrorCode};
use super::form::Form;
use super::model::{IntrospectionResponse, PresentedToken, TokenRequest, TokenResponse};
use super::service::{self, OAuthClient};
use crate::access::actor::Origin;
use crate::access::authentication::{Audience, Need, invalid_target, middleware, needs};
use crate::access::clients::service::{self as clients, AuthenticatedClient};
use crate::app_state::State;
use crate::platform::crypto::TokenKind;
use crate::platform::error::{AppError, Code};

/// Issues tokens for the requested grant type.
pub async fn issue_token(
    app: &State,
    request: &HttpRequest,
    form: Result<Form<TokenRequest>, AppError>,
) -> Result<TokenResponse, OAuthError> {
    let Form(form) = form?;
    let origin = Origin::of(request);
    let client = authenticate_client(app, request, form.client).await?;
    match (form.grant_type.as_str(), client) {
        ("client_credentials", OAuthClient::ServiceClient(client)) => {
            let audience = find_audience(app, &form.resources)?;
            let audience = audience.unwrap_or(Audience::Service);
            issue_client_token(app, client, form.scope, audience, origin).await
        }
        ("client_credentials", OAuthClient::FirstParty) => {
            let detail = "grant_type client_credentials is only for service clients";
            Err(OAuthError::new(OAuthErrorCode::UnauthorizedClient, detail))
        }
        ("refresh_token", client) => {
            let refresh_token = form.refresh_token.ok_or_else(|| {
                OAuthError::new(OAuthErrorCode::InvalidRequest, "refresh_token is required")
            })?;
            if let OAuthClient::ServiceClient(_) = client {
                let detail = "the token was issued to another client";
                return Err(OAuthError::new(OAuthErrorCode::InvalidGrant, detail));
            }
            let audience = find_audience(app, &form.resources)?;
            refresh_session(app, refresh_token, form.scope, audience, origin).await
        }
        _ => {
            let detail = "grant_type must be client_credentials or refresh_token";
            Err(OAuthError::new(
                OAuthErrorCode::UnsupportedGrantType,
                detail,
            ))
        }
    }
}

/// The audience that the request names, if it names one. A token has a single audience.
fn find_audience(app: &State, resources: &[String]) -> Result<Option<Audience>, AppError> {
    match resources {
        [] => Ok(None),
        [name] => Ok(Some(app.issuer.audiences().find_resource(name)?)),
        _ => Err(invalid_target("can be given only once")),
    }
}

async fn issue_client_token(
    app: &State,
    client: AuthenticatedClient,
    scope: Option<String>,
    audience: Audience,
    origin: Origin,
) -> Result<TokenResponse, OAuthError> {
    let issuer = app.issuer.clone();
    let response = app.db.write(move |tx| {
        service::issue_client_token(tx, &issuer, &client, scope.as_deref(), &audience, &origin)
    });
    Ok(response.await?)
}

async fn refresh_session(
    app: &State,
    refresh_token: String,
    scope: Option<String>,
    audience: Option<Audience>,
    origin: Origin,
) -> Result<TokenResponse, OAuthError> {
    let token_context = app.token_context.clone();
    let response = app.db.write(move |tx| {
        service::refresh_session(
            tx,
            &token_context,
            &refresh_token,
            scope.as_deref(),
            audience.as_ref(),
            &origin,
        )
    });
    Ok(response.await?)
}

/// Describes a token to a service client.
pub async fn introspect_token(
    app: &State,
    request: &HttpRequest,
    form: Result<Form<PresentedToken>, AppError>,
) -> Result<IntrospectionResponse, OAuthError> {
    let Form(presented) = form?;
    let client = authenticate_client(app, request, presented.client).await?;
    let OAuthClient::ServiceClient(client) = client else {
        let detail = "only service clients may introspect tokens";
        return Err(OAuthError::new(OAuthErrorCode::InvalidClient, detail));
    };
    let (token, issuer) = (presented.token, app.issuer.clone());
    let is_personal_token = TokenKind::PersonalToken.matches(&token);
    match middleware::resolve_token(app, &token, None).await {
        Ok((_, audience)) if !is_accepted(app, &audience, &presented.audiences) => {
            Ok(IntrospectionResponse::default())
        }
        Ok((resolved, _)) => {
            let response = app.db.read(move |tx| {
                // A JWT may have expired since the lookup; then it is inactive.
                match (is_personal_token, issuer.verify(&token)) {
                    (true, _) => service::introspect_access_token(tx, &issuer, &resolved, None),
                    (false, Ok(claims)) => {
                        service::introspect_access_token(tx, &issuer, &resolved, Some(&claims))
                    }
                    (false, Err(_)) => Ok(IntrospectionResponse::default()),
                }
            });
            Ok(response.await?)
        }
        Err(error) if error.code() != Code::AuthTokenInvalid => Err(error.into()),
        Err(_) if may_introspect_refresh_token(&client, presented.token_type_hint.as_deref()) => {
            let response = app
                .db
                .read(move |tx| service::introspect_refresh_token(tx, &issuer, &token));
            Ok(response.await?)
        }
        Err(_) => Ok(IntrospectionResponse::default()),
    }
}

/// Whether a token for this audience is active for a caller that accepts these audiences; by default that of the service.
fn is_accepted(app: &State, audience: &Audience, accepted: &[String]) -> bool {
    let name = app.issuer.audiences().claim(audience);
    match accepted {
        [] => *audience == Audience::Service,
        _ => accepted.iter().any(|accepted| accepted == name),
    }
}

fn may_introspect_refresh_token(
    client: &AuthenticatedClient,
    token_type_hint: Option<&str>,
) -> bool {
    let permission = needs::ReadSessions::PERMISSION;
    token_type_hint == Some("refresh_token")
        && client.permissions.iter().any(|name| name == permission)
}

/// Revokes a token.
pub async fn revoke_token(
    app: &State,
    request: &HttpRequest,
    form: Result<Form<PresentedToken>, AppError>,
) -> Result<(), OAuthError> {
    let Form(PresentedToken { token, client, .. }) = form?;
    let client = authenticate_client(app, request, client).await?;
    let (issuer, origin) = (app.issuer.clone(), Origin::of(request));
    let result = app
        .db
        .write(move |tx| service::revoke_token(tx, &issuer, &client, &token, &origin));
    Ok(result.await??)
}

/// Authenticates the client of the request. A failure is recorded and rate-limited.
async fn authenticate_client(
    app: &State,
    request: &HttpRequest,
    form: FormCredentials,
) -> Result<OAuthClient, OAuthError> {
    let (id, secret) = match ClientCredentials::from_request(request.headers(), form)? {
        ClientCredentials::FirstParty => return Ok(OAuthClient::FirstParty),
        ClientCredentials::Secret { id, secret } => (id, secret),
    };
    let client_id = id.clone();
    let client = app
        .db
        .read(move |tx| clients::authenticate(tx, &client_id, &secret));
    match client.await {
        Ok(client) => Ok(OAuthClient::ServiceClient(client)),
        Err(error) if error.code() == Code::AuthInvalidCredentials => {
            let origin = Origin::of(request);
            let denied = app
                .db
                .write(move |tx| clients::deny_authentication(tx, &id, &origin));
            Ok(denied.await?)
        }
        Err(error) => Err(error.into()),
    }
}
