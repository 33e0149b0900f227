//! Endpoints for an account's direct grants and active state.

use actix_web::{delete, patch, post, put, web};
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

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(replace_user_permissions)
        .service(add_user_permission)
        .service(remove_user_permission)
        .service(set_user_status);
}

/// The direct grants of an account.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPermissionsUpdate)]
struct DirectPermissionsRequest {
    /// The complete set of direct grants. Each must be in the permission catalogue.
    #[schema(example = json!(["users.read"]))]
    permissions: Vec<String>,
}

/// Replace the direct grants of a user.
///
/// Needs `users.managePermissions`. The caller must hold the permissions that are added.
#[utoipa::path(
    operation_id = "replaceUserPermissions", tag = "users", params(("id" = UserId, Path)), request_body = DirectPermissionsRequest,
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[patch("/api/v1/users/{id}/permissions")]
async fn replace_user_permissions(
    caller: Can<needs::ManagePermissions>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Json<DirectPermissionsRequest>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let permissions = body.into_inner().permissions;
    let user = app
        .db
        .write(move |tx| service::replace_permissions(tx, &caller, id, &permissions, &if_match))
        .await?;
    Reply::resource(&user)
}

/// Add a direct grant to a user.
///
/// Needs `users.managePermissions`. The caller must hold the permission, unless the user has it already.
#[utoipa::path(
    operation_id = "addUserPermission", tag = "users", params(("id" = UserId, Path), ("name" = String, Path)),
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[put("/api/v1/users/{id}/permissions/{name}")]
async fn add_user_permission(
    caller: Can<needs::ManagePermissions>,
    app: State,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    set_permission(caller, app, path.into_inner(), true, if_match).await
}

/// Remove a direct grant from a user.
///
/// Needs `users.managePermissions`. The user keeps the permission if its role has it.
#[utoipa::path(
    operation_id = "removeUserPermission", tag = "users", params(("id" = UserId, Path), ("name" = String, Path)),
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[delete("/api/v1/users/{id}/permissions/{name}")]
async fn remove_user_permission(
    caller: Can<needs::ManagePermissions>,
    app: State,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    set_permission(caller, app, path.into_inner(), false, if_match).await
}

async fn set_permission(
    caller: Can<needs::ManagePermissions>,
    app: State,
    (id, name): (String, String),
    present: bool,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let user = app
        .db
        .write(move |tx| service::set_permission(tx, &caller, id, &name, present, &if_match))
        .await?;
    Reply::resource(&user)
}

/// The active state of an account.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserStatusUpdate)]
struct StatusChange {
    /// Whether the account is active. A disabled account cannot sign in, and its sessions end.
    #[schema(example = false)]
    is_active: bool,
}

/// Enable or disable a user.
///
/// Needs `users.disable`. Disabling ends all sessions and tokens at once. They stay ended when the account is enabled again.
#[utoipa::path(
    operation_id = "setUserStatus", tag = "users", params(("id" = UserId, Path)), request_body = StatusChange,
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[post("/api/v1/users/{id}/status")]
async fn set_user_status(
    caller: Can<needs::DisableUsers>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Json<StatusChange>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let active = body.is_active;
    let user = app
        .db
        .write(move |tx| service::set_active(tx, &caller, id, active, &if_match))
        .await?;
    Reply::resource(&user)
}
