//! One's own tokens over HTTP.

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::SignedIn;
use crate::access::tokens::input::NewToken;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, IfMatch, Json, Page, Reply};
use crate::platform::ids::PersonalTokenId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_own_tokens)
        .service(create_own_token)
        .service(get_own_token)
        .service(revoke_own_token);
}

/// List one's own tokens, the newest first.
#[utoipa::path(
    operation_id = "listOwnTokens", tag = "tokens",
    responses((status = 200, description = "All of them.", body = Page<PersonalToken>))
)]
#[get("/api/v1/auth/tokens")]
async fn list_own_tokens(by: SignedIn, app: State) -> Result<Reply, AppError> {
    let tokens = app.db.read(move |tx| service::list(tx, &by)).await?;
    Reply::page(&Page::single(tokens))
}

/// Make a token of one's own.
///
/// It gives of `permissions` what its account holds when it is used. An account has at most 100.
#[utoipa::path(
    operation_id = "createOwnToken", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "Made; `token` is shown once.", body = Data<TokenWithSecret>))
)]
#[post("/api/v1/auth/tokens")]
async fn create_own_token(
    by: SignedIn,
    app: State,
    body: Json<NewToken>,
) -> Result<Reply, AppError> {
    let draft = body.into_inner().check()?;
    let made = app
        .db
        .write(move |tx| service::create(tx, &by, &draft))
        .await?;
    Reply::created(format!("/api/v1/auth/tokens/{}", made.id), &made)
}

/// Show a token of one's own.
#[utoipa::path(
    operation_id = "getOwnToken", tag = "tokens", params(("id" = PersonalTokenId, Path)),
    responses((status = 200, description = "The token.", body = Data<PersonalToken>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/auth/tokens/{id}")]
async fn get_own_token(by: SignedIn, app: State, id: web::Path<String>) -> Result<Reply, AppError> {
    let id = PersonalTokenId::from_path(&id);
    let token = app.db.read(move |tx| service::show(tx, &by, id)).await?;
    Reply::resource(&token)
}

/// Revoke a token of one's own.
#[utoipa::path(
    operation_id = "revokeOwnToken", tag = "tokens", params(("id" = PersonalTokenId, Path)),
    responses((status = 204, description = "Gone; it is refused from now on."))
)]
#[delete("/api/v1/auth/tokens/{id}")]
async fn revoke_own_token(
    by: SignedIn,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = PersonalTokenId::from_path(&id);
    app.db
        .write(move |tx| service::revoke(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}
