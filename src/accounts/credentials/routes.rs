//! Endpoints with which administrators change the credentials of an account.

use actix_web::{delete, post, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::access::passwords::{Password, PasswordOwner};
use crate::access::sessions::SignOutQuery;
use crate::access::tokens::PersonalTokens;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, IfMatch, InvalidQuery, Json, Query, QueryReader, Reply};
use crate::platform::ids::UserId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(reset_user_password)
        .service(remove_user_password)
        .service(remove_user_second_factor)
        .service(sign_out_user);
}

/// A new password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = PasswordResetRequest)]
struct PasswordReset {
    /// The new password.
    #[schema(example = "another long passphrase")]
    new_password: Password,
    /// Whether the personal access tokens of the account stay valid.
    #[serde(default)]
    keep_tokens: bool,
}

/// Set the password of a user.
///
/// Needs `users.resetPassword` and every permission that the account holds. The account's sessions end, and its personal
/// access tokens unless `keepTokens` is true.
#[utoipa::path(
    operation_id = "resetUserPassword", tag = "users", params(("id" = UserId, Path)), request_body = PasswordReset,
    responses((status = 204, description = "The password has been set."))
)]
#[post("/api/v1/users/{id}/reset-password")]
async fn reset_user_password(
    caller: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Json<PasswordReset>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let owner = PasswordOwner::ExistingAccount(id);
    let body = body.into_inner();
    let tokens = PersonalTokens::end_unless(body.keep_tokens);
    let hash = app
        .passwords
        .validate_and_hash(&app.db, owner, body.new_password, "/newPassword")
        .await?;
    app.db
        .write(move |tx| service::reset_password(tx, &caller, id, &hash, tokens, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// The query parameters of removing a password.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct RemovePasswordQuery {
    /// Whether the personal access tokens of the account stay valid.
    #[param(rename = "keepTokens", required = false, default = false)]
    keep_tokens: bool,
}

impl FromQuery for RemovePasswordQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            keep_tokens: params.take("keepTokens").unwrap_or_default(),
        })
    }
}

/// Remove the password of a user.
///
/// Needs `users.resetPassword`. The account's sessions end, and its personal access tokens unless `keepTokens` is true.
#[utoipa::path(
    operation_id = "removeUserPassword", tag = "users", params(("id" = UserId, Path), RemovePasswordQuery),
    responses((status = 204, description = "The account has no password."))
)]
#[delete("/api/v1/users/{id}/password")]
async fn remove_user_password(
    caller: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    query: Query<RemovePasswordQuery>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let tokens = PersonalTokens::end_unless(query.keep_tokens);
    app.db
        .write(move |tx| service::remove_password(tx, &caller, id, tokens, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// Remove the second factor of a user.
///
/// Needs `users.resetPassword` and every permission that the account holds. The other sessions of the
/// account end, and the password alone is then sufficient to sign in. An account without a second factor stays as it is: in
/// this release, which has no second factors yet, these are all.
#[utoipa::path(
    operation_id = "removeUserSecondFactor", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "The account has no second factor."))
)]
#[delete("/api/v1/users/{id}/mfa")]
async fn remove_user_second_factor(
    caller: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::remove_second_factor(tx, &caller, id, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// End all sessions of a user.
///
/// Needs `sessions.revoke`. Personal access tokens stay valid unless `tokens` is true.
#[utoipa::path(
    operation_id = "signOutUser", tag = "users", params(("id" = UserId, Path), SignOutQuery),
    responses((status = 204, description = "The sessions have ended."))
)]
#[delete("/api/v1/users/{id}/sessions")]
async fn sign_out_user(
    caller: Can<needs::RevokeSessions>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    query: Query<SignOutQuery>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let tokens = query.personal_tokens();
    app.db
        .write(move |tx| service::sign_out(tx, &caller, id, tokens, &if_match))
        .await?;
    Ok(Reply::no_content())
}
