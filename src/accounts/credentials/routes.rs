//! How an account proves itself, as others change it, over HTTP.

use actix_web::{delete, post, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::access::passwords::{PasswordOwner, Password};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{IfMatch, Json, Reply};
use crate::platform::ids::UserId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(reset_user_password)
        .service(remove_user_password)
        .service(remove_user_second_factor)
        .service(sign_out_user);
}

/// Another password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordReset {
    /// The password from now on.
    #[schema(example = "another long passphrase")]
    new_password: Password,
}

/// Give an account another password.
///
/// Needs `users.resetPassword` and every permission that the account has. Its sessions end.
#[utoipa::path(
    operation_id = "resetUserPassword", tag = "users", params(("id" = UserId, Path)), request_body = PasswordReset,
    responses((status = 204, description = "Done."))
)]
#[post("/api/v1/users/{id}/reset-password")]
async fn reset_user_password(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<PasswordReset>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let password = body.into_inner().new_password;
    let hash = app
        .passwords
        .validate_and_hash(&app.db, PasswordOwner::ExistingAccount(id), password, "/newPassword")
        .await?;
    app.db
        .write(move |tx| service::reset_password(tx, &by, id, &hash, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Remove an account's password.
///
/// Needs `users.resetPassword`. Its sessions end.
#[utoipa::path(
    operation_id = "removeUserPassword", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/users/{id}/password")]
async fn remove_user_password(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::remove_password(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Remove an account's second factor.
///
/// Needs `users.resetPassword` and every permission that the account has. From then on its password alone signs it in;
/// an account without a second factor stays as it is.
#[utoipa::path(
    operation_id = "removeUserSecondFactor", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "It has none."))
)]
#[delete("/api/v1/users/{id}/mfa")]
async fn remove_user_second_factor(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::remove_second_factor(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Sign an account out everywhere.
///
/// Needs `sessions.revoke`.
#[utoipa::path(
    operation_id = "signOutUser", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/users/{id}/sessions")]
async fn sign_out_user(
    by: Can<needs::RevokeSessions>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::sign_out(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}
