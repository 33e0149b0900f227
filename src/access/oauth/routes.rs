//! The OAuth HTTP endpoints. Responses and errors have the form of the OAuth standards.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::endpoints;
use super::error::OAuthError;
use super::form::Form;
use super::model::{
    AuthorizationServerMetadata, IntrospectionResponse, PresentedToken, PresentedTokenForm,
    TokenRequest, TokenRequestForm, TokenResponse,
};
use super::response;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::RequestContext;

/// Registers the routes and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(issue_token)
        .service(introspect_token)
        .service(revoke_token)
        .service(get_metadata);
}

/// Get a token.
///
/// `client_credentials` issues an access token to a service client, for all its permissions or for those in `scope`, without
/// a refresh token. `refresh_token` refreshes a session like `/auth/refresh`; send `client_id=rosterd` and no secret.
#[utoipa::path(
    operation_id = "issueToken", tag = "oauth", security(("client" = []), ()),
    request_body(content = TokenRequestForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Tokens (RFC 6749, section 5.1).", body = TokenResponse))
)]
#[post("/api/v1/oauth/token")]
async fn issue_token(
    app: State,
    request: HttpRequest,
    form: Result<Form<TokenRequest>, AppError>,
) -> HttpResponse {
    let result = endpoints::issue_token(&app, &request, form).await;
    to_response(&request, result)
}

/// Introspect a token.
///
/// For service clients: whether an access token or personal access token is valid now, and its permissions. All other tokens
/// and expired tokens are inactive. A refresh token is active only for a client that holds `sessions.read` and sends
/// `token_type_hint=refresh_token`, because apps must not accept refresh tokens.
#[utoipa::path(
    operation_id = "introspectToken", tag = "oauth", security(("client" = []), ()),
    request_body(content = PresentedTokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The state of the token (RFC 7662, section 2.2).", body = IntrospectionResponse))
)]
#[post("/api/v1/oauth/introspect")]
async fn introspect_token(
    app: State,
    request: HttpRequest,
    form: Result<Form<PresentedToken>, AppError>,
) -> HttpResponse {
    let result = endpoints::introspect_token(&app, &request, form).await;
    to_response(&request, result)
}

/// Revoke a token.
///
/// A service client can revoke its own access tokens. With `client_id=rosterd`, the holder of an access token or refresh token
/// of a session ends that session. The response is also 200 for an invalid or expired token.
#[utoipa::path(
    operation_id = "revokeToken", tag = "oauth", security(("client" = []), ()),
    request_body(content = PresentedTokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is revoked or was not valid (RFC 7009, section 2.2)."))
)]
#[post("/api/v1/oauth/revoke")]
async fn revoke_token(
    app: State,
    request: HttpRequest,
    form: Result<Form<PresentedToken>, AppError>,
) -> HttpResponse {
    match endpoints::revoke_token(&app, &request, form).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => error.into_response(&RequestContext::for_request(&request)),
    }
}

/// Show the authorization server metadata (RFC 8414).
///
/// Libraries for OAuth 2.0 find the endpoints and their methods of authentication here.
#[utoipa::path(
    operation_id = "getOAuthMetadata", tag = "oauth", security(()),
    responses((status = 200, description = "The metadata. It can be cached for five minutes.", body = AuthorizationServerMetadata))
)]
#[get("/.well-known/oauth-authorization-server")]
async fn get_metadata(app: State) -> HttpResponse {
    let metadata = AuthorizationServerMetadata::new(app.issuer.name());
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(metadata)
}

/// 200 with the value as JSON, or the error response.
fn to_response(request: &HttpRequest, result: Result<impl Serialize, OAuthError>) -> HttpResponse {
    match result {
        Ok(value) => response::json(HttpResponse::Ok().finish().drop_body(), &value),
        Err(error) => error.into_response(&RequestContext::for_request(request)),
    }
}
