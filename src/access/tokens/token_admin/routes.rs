//! Endpoints for the tokens of other accounts.

use std::cmp::Reverse;

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::access::tokens::input::NewToken;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::app_state::State;
use crate::idempotency::IdempotentRequest;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, IdempotencyKey, IfMatch, Json, Page, PageQuery, PagedList, Query, Reply,
};
use crate::platform::ids::{PersonalTokenId, UserId};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_user_tokens)
        .service(create_user_token)
        .service(get_user_token)
        .service(revoke_user_token);
}

/// List the tokens of an account.
///
/// Needs `tokens.read` and a higher rank than the account. The newest first.
#[utoipa::path(
    operation_id = "listUserTokens", tag = "tokens", params(("id" = UserId, Path), PageQuery),
    responses((status = 200, description = "A page of tokens of the account.", body = Page<PersonalToken>))
)]
#[get("/api/v1/users/{id}/tokens")]
async fn list_user_tokens(
    caller: Can<needs::ReadTokens>,
    app: State,
    id: web::Path<String>,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let list = PagedList::new(&app.cursors, format!("tokens {id}"), query.into_inner());
    let tokens = app
        .db
        .read_audited(move |tx| service::list(tx, &caller, id))
        .await?;
    list.reply_from_all(tokens, |token| Reverse(token.id))
}

/// Create a token for an account.
///
/// Needs `tokens.manage`, a higher rank than the account, and every permission that the account holds. The token permits
/// only those of its `permissions` that the account holds when it is used. An account can have 100 tokens.
#[utoipa::path(
    operation_id = "createUserToken", tag = "tokens", params(("id" = UserId, Path)), request_body = NewToken,
    responses((status = 201, description = "Created. The token is not shown again.", body = Data<TokenWithSecret>))
)]
#[post("/api/v1/users/{id}/tokens")]
async fn create_user_token(
    caller: Can<needs::ManageTokens>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    key: IdempotencyKey,
    body: Json<NewToken>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let id_and_body = [id.0.as_bytes(), &*body.raw].concat();
    let request = IdempotentRequest::new(&app.vault, "createUserToken", key, &id_and_body);
    let draft = body.into_inner().check()?;
    let authorize =
        move |tx: &mut Tx<'_>, caller: &Can<_>| service::authorize_creation(tx, caller, id);
    request
        .run_with_secret(&app.db, caller, authorize, move |tx, caller| {
            let created = service::create(tx, caller, id, &draft, &if_match)?;
            let location = format!("/api/v1/users/{id}/tokens/{}", created.id);
            Ok((Reply::created(location, &created)?, Some(created.id.0)))
        })
        .await
}

/// Show a token of an account.
///
/// Needs `tokens.read` and a higher rank than the account.
#[utoipa::path(
    operation_id = "getUserToken", tag = "tokens", params(("id" = UserId, Path), ("tokenId" = PersonalTokenId, Path)),
    responses((status = 200, description = "The token.", body = Data<PersonalToken>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/users/{id}/tokens/{tokenId}")]
async fn get_user_token(
    caller: Can<needs::ReadTokens>,
    app: State,
    path: web::Path<(String, String)>,
) -> Result<Reply, AppError> {
    let (id, token) = parse_ids(&path);
    let token = app
        .db
        .read_audited(move |tx| service::show(tx, &caller, id, token))
        .await?;
    Reply::resource(&token)
}

/// Revoke a token of an account.
///
/// Needs `tokens.manage` and a higher rank than the account.
#[utoipa::path(
    operation_id = "revokeUserToken", tag = "tokens", params(("id" = UserId, Path), ("tokenId" = PersonalTokenId, Path)),
    responses((status = 204, description = "The token has been revoked."))
)]
#[delete("/api/v1/users/{id}/tokens/{tokenId}")]
async fn revoke_user_token(
    caller: Can<needs::ManageTokens>,
    app: State,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let (id, token) = parse_ids(&path);
    app.db
        .write(move |tx| service::revoke(tx, &caller, id, token, &if_match))
        .await?;
    Ok(Reply::no_content())
}

fn parse_ids((id, token): &(String, String)) -> (UserId, PersonalTokenId) {
    (UserId::from_path(id), PersonalTokenId::from_path(token))
}
