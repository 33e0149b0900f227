//! What an account may, and whether it may anything at all, over HTTP.

use actix_web::{patch, post, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::User;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, IfMatch, Json, Reply};
use crate::platform::ids::UserId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(replace_user_permissions)
        .service(set_user_status);
}

/// All the direct grants of an account.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
struct PermissionChange {
    /// Each in the catalogue; what is not named is taken away.
    #[schema(example = json!(["users.read"]))]
    permissions: Vec<String>,
}

/// Replace an account's direct grants.
///
/// Needs `users.managePermissions`; what is added must be held.
#[utoipa::path(
    operation_id = "replaceUserPermissions", tag = "users", params(("id" = UserId, Path)), request_body = PermissionChange,
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[patch("/api/v1/users/{id}/permissions")]
async fn replace_user_permissions(
    by: Can<needs::ManagePermissions>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<PermissionChange>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let wanted = body.into_inner().permissions;
    let user = app
        .db
        .write(move |tx| service::replace_permissions(tx, &by, id, &wanted, &expected))
        .await?;
    Reply::resource(&user)
}

/// Off or on.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusChange {
    /// A disabled account can't sign in, and its sessions end.
    #[schema(example = false)]
    is_active: bool,
}

/// Switch an account off or on.
///
/// Needs `users.disable`. Switching off ends every session and token at once; they stay ended.
#[utoipa::path(
    operation_id = "setUserStatus", tag = "users", params(("id" = UserId, Path)), request_body = StatusChange,
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[post("/api/v1/users/{id}/status")]
async fn set_user_status(
    by: Can<needs::DisableUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<StatusChange>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let active = body.is_active;
    let user = app
        .db
        .write(move |tx| service::set_active(tx, &by, id, active, &expected))
        .await?;
    Reply::resource(&user)
}
