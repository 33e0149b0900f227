//! Other accounts' tokens over HTTP.

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::access::tokens::input::NewToken;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::app_state::State;
use crate::idempotency::{self, IdempotentRequest};
use crate::platform::error::AppError;
use crate::platform::http::{Data, IdempotencyKey, IfMatch, Json, Page, Reply};
use crate::platform::ids::{PersonalTokenId, UserId};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_user_tokens)
        .service(create_user_token)
        .service(get_user_token)
        .service(revoke_user_token);
}

/// List an account's tokens, the newest first.
///
/// Needs `tokens.read`, and to rank above the account.
#[utoipa::path(
    operation_id = "listUserTokens", tag = "tokens", params(("id" = UserId, Path)),
    responses((status = 200, description = "All of them.", body = Page<PersonalToken>))
)]
#[get("/api/v1/users/{id}/tokens")]
async fn list_user_tokens(
    by: Can<needs::ReadTokens>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let tokens = app.db.write(move |tx| service::list(tx, &by, id)).await?;
    Reply::page(&Page::single(tokens))
}

/// Make a token of an account.
///
/// Needs `tokens.manage` and every permission that the account has. The token gives of `permissions` what its account
/// holds when it is used. An account has at most 100.
#[utoipa::path(
    operation_id = "createUserToken", tag = "tokens", params(("id" = UserId, Path)), request_body = NewToken,
    responses((status = 201, description = "Made; `token` is shown once.", body = Data<TokenWithSecret>))
)]
#[post("/api/v1/users/{id}/tokens")]
async fn create_user_token(
    by: Can<needs::ManageTokens>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: Json<NewToken>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let named = [id.0.as_bytes(), &*body.raw].concat();
    let ask = IdempotentRequest::new(&app.vault, "createUserToken", key.0, &named);
    let draft = body.into_inner().check()?;
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            idempotency::run_once(tx, &vault, &by, &ask, |tx| {
                let made = service::create(tx, &by, id, &draft, &expected)?;
                let location = format!("/api/v1/users/{id}/tokens/{}", made.id);
                Ok((Reply::created(location, &made)?, Some(made.id.0)))
            })
        })
        .await
}

/// Show an account's token.
///
/// Needs `tokens.read`, and to rank above the account.
#[utoipa::path(
    operation_id = "getUserToken", tag = "tokens", params(("id" = UserId, Path), ("tokenId" = PersonalTokenId, Path)),
    responses((status = 200, description = "The token.", body = Data<PersonalToken>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/users/{id}/tokens/{tokenId}")]
async fn get_user_token(
    by: Can<needs::ReadTokens>,
    app: State,
    path: web::Path<(String, String)>,
) -> Result<Reply, AppError> {
    let (id, token) = ids(&path);
    let token = app
        .db
        .write(move |tx| service::show(tx, &by, id, token))
        .await?;
    Reply::resource(&token)
}

/// Revoke an account's token.
///
/// Needs `tokens.manage`, and to rank above the account.
#[utoipa::path(
    operation_id = "revokeUserToken", tag = "tokens", params(("id" = UserId, Path), ("tokenId" = PersonalTokenId, Path)),
    responses((status = 204, description = "Gone; it is refused from now on."))
)]
#[delete("/api/v1/users/{id}/tokens/{tokenId}")]
async fn revoke_user_token(
    by: Can<needs::ManageTokens>,
    app: State,
    path: web::Path<(String, String)>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let (id, token) = ids(&path);
    app.db
        .write(move |tx| service::revoke(tx, &by, id, token, &expected))
        .await?;
    Ok(Reply::no_content())
}

fn ids((id, token): &(String, String)) -> (UserId, PersonalTokenId) {
    (UserId::from_path(id), PersonalTokenId::from_path(token))
}
