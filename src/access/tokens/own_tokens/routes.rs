//! Endpoints for the caller's own tokens.

use std::cmp::Reverse;

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::SignedIn;
use crate::access::tokens::input::NewToken;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, IfMatch, Json, Page, PageQuery, PagedList, Query, Reply};
use crate::platform::ids::PersonalTokenId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_own_tokens)
        .service(create_own_token)
        .service(get_own_token)
        .service(revoke_own_token);
}

/// List the caller's own tokens.
///
/// The newest first.
#[utoipa::path(
    operation_id = "listOwnTokens", tag = "tokens", params(PageQuery),
    responses((status = 200, description = "A page of tokens.", body = Page<PersonalToken>))
)]
#[get("/api/v1/auth/tokens")]
async fn list_own_tokens(
    caller: SignedIn,
    app: State,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let context = format!("own tokens {}", caller.id);
    let list = PagedList::new(&app.cursors, context, query.into_inner());
    let tokens = app.db.read(move |tx| service::list(tx, &caller)).await?;
    list.reply_from_all(tokens, |token| Reverse(token.id))
}

/// Create a token for the caller's own account.
///
/// The token permits only those of its `permissions` that the account holds when it is used. An account can have 100 tokens.
#[utoipa::path(
    operation_id = "createOwnToken", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "Created. The token is not shown again.", body = Data<TokenWithSecret>))
)]
#[post("/api/v1/auth/tokens")]
async fn create_own_token(
    caller: SignedIn,
    app: State,
    body: Json<NewToken>,
) -> Result<Reply, AppError> {
    let draft = body.into_inner().check()?;
    let created = app
        .db
        .write(move |tx| service::create(tx, &caller, &draft))
        .await?;
    Reply::created(format!("/api/v1/auth/tokens/{}", created.id), &created)
}

/// Show one of the caller's own tokens.
///
/// The token itself is shown only once, when it is created.
#[utoipa::path(
    operation_id = "getOwnToken", tag = "tokens", params(("id" = PersonalTokenId, Path)),
    responses((status = 200, description = "The token.", body = Data<PersonalToken>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/auth/tokens/{id}")]
async fn get_own_token(
    caller: SignedIn,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = PersonalTokenId::from_path(&id);
    let token = app
        .db
        .read(move |tx| service::show(tx, &caller, id))
        .await?;
    Reply::resource(&token)
}

/// Revoke one of the caller's own tokens.
///
/// When the response arrives, no replica accepts the token any more.
#[utoipa::path(
    operation_id = "revokeOwnToken", tag = "tokens", params(("id" = PersonalTokenId, Path)),
    responses((status = 204, description = "The token has been revoked."))
)]
#[delete("/api/v1/auth/tokens/{id}")]
async fn revoke_own_token(
    caller: SignedIn,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = PersonalTokenId::from_path(&id);
    app.db
        .write(move |tx| service::revoke(tx, &caller, id, &if_match))
        .await?;
    Ok(Reply::no_content())
}
