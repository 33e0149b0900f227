//! The logic of the token, introspection and revocation endpoints: authenticates the client and calls the service.

use actix_web::HttpRequest;

use super::credentials::{ClientCredentials, FormCredentials};
use super::error::{OAuthError, OAuthErrorCode};
use super::form::Form;
use super::model::{IntrospectionResponse, PresentedToken, TokenRequest, TokenResponse};
use super::service::{self, OAuthClient};
use crate::access::actor::Origin;
use crate::access::authentication::{Need, middleware, needs};
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
            issue_client_token(app, client, form.scope, origin).await
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
            refresh_session(app, refresh_token, form.scope, origin).await
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

async fn issue_client_token(
    app: &State,
    client: AuthenticatedClient,
    scope: Option<String>,
    origin: Origin,
) -> Result<TokenResponse, OAuthError> {
    let issuer = app.issuer.clone();
    let response = app.db.write(move |tx| {
        service::issue_client_token(tx, &issuer, &client, scope.as_deref(), &origin)
    });
    Ok(response.await?)
}

async fn refresh_session(
    app: &State,
    refresh_token: String,
    scope: Option<String>,
    origin: Origin,
) -> Result<TokenResponse, OAuthError> {
    let token_context = app.token_context.clone();
    let response = app.db.write(move |tx| {
        service::refresh_session(
            tx,
            &token_context,
            &refresh_token,
            scope.as_deref(),
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
        Ok(resolved) => {
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
