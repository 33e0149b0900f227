//! Endpoints for reset links. GET and HEAD never use up a token, so that link scanners do no harm.

use actix_web::{delete, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::lifetime::ResetLinkLifetime;
use super::model::{ResetLink, UnusedResetLink};
use super::service;
use crate::access::actor::{Actor, Origin};
use crate::access::authentication::{Can, needs};
use crate::access::passwords::{Password, PasswordHash, PasswordOwner};
use crate::access::tokens::PersonalTokens;
use crate::accounts::credentials;
use crate::accounts::users::Email;
use crate::app_state::{AppState, State};
use crate::idempotency::IdempotentRequest;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::http::{Data, IdempotencyKey, IfMatch, Json, Reply};
use crate::platform::ids::UserId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_password_reset_link)
        .service(get_password_reset_link)
        .service(revoke_password_reset_link)
        .service(request_password_reset)
        .service(reset_password);
}

/// A reset link to create.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = ResetLinkCreate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateResetLinkRequest {
    /// How long the link is valid, in seconds. Default: one day.
    #[schema(example = 3600, minimum = 60, maximum = 604_800, default = 86_400)]
    expires_in_seconds: Option<i64>,
}

impl CreateResetLinkRequest {
    fn lifetime(&self) -> Result<ResetLinkLifetime, AppError> {
        match self.expires_in_seconds {
            None => Ok(ResetLinkLifetime::default()),
            Some(seconds) => ResetLinkLifetime::from_seconds(seconds).map_err(|error| {
                AppError::invalid_field("/expiresInSeconds", "out_of_range", error.to_string())
            }),
        }
    }
}

/// Create a reset link.
///
/// Needs `users.resetPassword` and every permission that the account has. The token is shown once and is valid for one
/// `POST /auth/reset-password`. The new link replaces the previous link of the account. It becomes invalid when the password
/// or the email address changes, the account is disabled or deleted or gets a higher rank or more permissions, or its creator
/// may no longer reset the password of the account.
#[utoipa::path(
    operation_id = "createPasswordResetLink", tag = "users", params(("id" = UserId, Path)), request_body = CreateResetLinkRequest,
    responses((status = 201, description = "Created. The token is not shown again.", body = Data<ResetLink>))
)]
#[post("/api/v1/users/{id}/password-reset-link")]
async fn create_password_reset_link(
    caller: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    key: IdempotencyKey,
    body: Json<CreateResetLinkRequest>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let request_bytes = [id.0.as_bytes(), &*body.raw].concat();
    let operation = "createPasswordResetLink";
    let request = IdempotentRequest::new(&app.vault, operation, key, &request_bytes);
    let lifetime = body.lifetime()?;
    let context = app.reset_links.clone();
    let authorize =
        move |tx: &mut Tx<'_>, caller: &Can<_>| service::authorize_creation(tx, caller, id);
    request
        .run_with_secret(&app.db, caller, authorize, move |tx, caller| {
            let link = service::create(tx, caller, &context, id, lifetime, &if_match)?;
            let location = format!("/api/v1/users/{id}/password-reset-link");
            Ok((Reply::created(location, &link)?, Some(id.0)))
        })
        .await
}

/// Show the unused reset link of an account.
///
/// Needs `users.resetPassword`. The token is not shown. 404 if the account has no unused link.
#[utoipa::path(
    operation_id = "getPasswordResetLink", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The link.", body = Data<UnusedResetLink>))
)]
#[get("/api/v1/users/{id}/password-reset-link")]
async fn get_password_reset_link(
    _caller: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let link = app.db.read(move |tx| service::show(tx, id)).await?;
    Reply::ok(&link)
}

/// Revoke the reset link of an account, if it has one.
///
/// Needs `users.resetPassword` and every permission that the account has.
#[utoipa::path(
    operation_id = "revokePasswordResetLink", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "The account has no reset link."))
)]
#[delete("/api/v1/users/{id}/password-reset-link")]
async fn revoke_password_reset_link(
    caller: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::revoke(tx, &caller, id, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// A request for a reset link by email.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = ResetLinkRequest)]
#[serde(deny_unknown_fields)]
struct PasswordResetRequest {
    /// The email address of an account.
    #[schema(example = "ada@example.org")]
    email: String,
}

/// Request a reset link by email.
///
/// The response and its timing do not depend on whether the address exists. A message is sent only to a confirmed address of
/// an active account that has a password. The link is valid for one hour. A mailed link that is still unused is sent again. While a link of an administrator is unused, none is mailed. An
/// address gets at most five messages per hour. Too many requests from one source or network: 429 `rate_limited`.
#[utoipa::path(
    operation_id = "requestPasswordReset", tag = "auth", request_body = PasswordResetRequest, security(()),
    responses((status = 202, description = "A message is sent if an account has this address."))
)]
#[post("/api/v1/auth/request-password-reset")]
async fn request_password_reset(
    app: State,
    origin: Origin,
    body: Json<PasswordResetRequest>,
) -> Result<Reply, AppError> {
    let email = Email::parse(&body.email)
        .map_err(|error| AppError::invalid_field("/email", error.code, error.detail))?;
    let actor = Actor::anonymous(origin);
    let (mail, vault) = (app.mail.clone(), app.vault.clone());
    app.db
        .write(move |tx| service::request(tx, &mail, &vault, &actor, &email))
        .await?;
    Ok(Reply::accepted())
}

/// The token of a reset link and the new password.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = LinkPasswordResetRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResetPasswordRequest {
    /// The token from the link.
    #[schema(example = "rst_rst_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    token: String,
    /// The new password.
    #[schema(example = "another long passphrase")]
    new_password: Password,
    /// Whether the personal access tokens of the account stay valid.
    #[serde(default)]
    keep_tokens: bool,
}

/// Set a password with a reset link.
///
/// The token is valid once, even if it is presented concurrently. A rejected password (400 `request_invalid`) does not use it
/// up. Every session of the account ends, and every personal access token unless `keepTokens` is true. If the token is invalid, used, replaced or expired, or the account is not active,
/// the response is 400 `reset_token_invalid`.
#[utoipa::path(
    operation_id = "resetPassword", tag = "auth", request_body = ResetPasswordRequest, security(()),
    responses((status = 204, description = "The password is set."))
)]
#[post("/api/v1/auth/reset-password")]
async fn reset_password(
    app: State,
    origin: Origin,
    body: Json<ResetPasswordRequest>,
) -> Result<Reply, AppError> {
    let actor = Actor::anonymous(origin);
    let body = body.into_inner();
    let hash = hash_password_of_link(&app, &actor, &body.token, body.new_password).await?;
    let (token, tokens) = (body.token, PersonalTokens::end_unless(body.keep_tokens));
    app.db
        .write(move |tx| credentials::service::redeem_reset_link(tx, &actor, &token, &hash, tokens))
        .await?;
    Ok(Reply::no_content())
}

/// Validates and hashes the password, if the token is that of a usable link.
async fn hash_password_of_link(
    app: &AppState,
    actor: &Actor,
    token: &str,
    new_password: Password,
) -> Result<PasswordHash, AppError> {
    let (actor, token) = (actor.clone(), token.to_owned());
    let account = app
        .db
        .write(move |tx| service::find_account(tx, &actor, &token).map(|(user, _)| user.id))
        .await?;
    let owner = PasswordOwner::ExistingAccount(account);
    app.passwords
        .validate_and_hash(&app.db, owner, new_password, "/newPassword")
        .await
}
