//! OAuth's endpoints over HTTP. They answer, and refuse, in the forms of their own standards.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, get, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::exchange;
use super::form::Form;
use super::model::{
    Introspection, Metadata, TokenAnswer, TokenForm, TokenInHand, TokenInHandForm, TokenRequest,
};
use super::wire::answered;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::RequestContext;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(issue_token)
        .service(introspect_token)
        .service(revoke_token)
        .service(get_metadata);
}

/// Get a token.
///
/// `client_credentials`: a service client's access token, for all that it may or for the permissions in `scope`. There is
/// no refresh token with it. `refresh_token`: what `/auth/refresh` does, with `client_id=rosterd` and no secret.
#[utoipa::path(
    operation_id = "issueToken", tag = "oauth", security(("client" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Tokens (RFC 6749, section 5.1).", body = TokenAnswer))
)]
#[post("/api/v1/oauth/token")]
async fn issue_token(
    app: State,
    request: HttpRequest,
    form: Result<Form<TokenRequest>, AppError>,
) -> HttpResponse {
    let answer = exchange::issue(&app, &request, form).await;
    answered(&request, answer)
}

/// Ask about a token.
///
/// For service clients: whether an access token or a personal access token is good at this moment, and for what. Any other
/// token, and one that is not good any more, is not active. A refresh token is told of only to a client that holds
/// `sessions.read` and says `token_type_hint=refresh_token`: it is nothing for an app to accept.
#[utoipa::path(
    operation_id = "introspectToken", tag = "oauth", security(("client" = []), ()),
    request_body(content = TokenInHandForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What is known of it (RFC 7662, section 2.2).", body = Introspection))
)]
#[post("/api/v1/oauth/introspect")]
async fn introspect_token(
    app: State,
    request: HttpRequest,
    form: Result<Form<TokenInHand>, AppError>,
) -> HttpResponse {
    let answer = exchange::examine(&app, &request, form).await;
    answered(&request, answer)
}

/// Revoke a token.
///
/// A service client revokes its own access tokens. Whoever holds an access token or refresh token of a session ends that
/// session with `client_id=rosterd`. A token that is none, or none any more, is answered the same.
#[utoipa::path(
    operation_id = "revokeToken", tag = "oauth", security(("client" = []), ()),
    request_body(content = TokenInHandForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is good for nothing any more (RFC 7009, section 2.2)."))
)]
#[post("/api/v1/oauth/revoke")]
async fn revoke_token(
    app: State,
    request: HttpRequest,
    form: Result<Form<TokenInHand>, AppError>,
) -> HttpResponse {
    match exchange::revoke(&app, &request, form).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(refusal) => refusal.answer(&RequestContext::of(&request)),
    }
}

/// Show what the service offers to OAuth clients (RFC 8414).
#[utoipa::path(
    operation_id = "getOAuthMetadata", tag = "oauth", security(()),
    responses((status = 200, description = "The metadata; cacheable for five minutes.", body = Metadata))
)]
#[get("/.well-known/oauth-authorization-server")]
async fn get_metadata(app: State) -> HttpResponse {
    let metadata = std::future::ready(Metadata::of(app.issuer.name())).await;
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(metadata)
}
