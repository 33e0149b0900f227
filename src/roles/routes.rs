//! Roles and the permission catalogue over HTTP.

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service::{self, NewPermission, Permission, Role};
use crate::app::State;
use crate::auth::{Can, needs};
use crate::error::AppError;
use crate::http::{Data, IdempotencyKey, Json, Page, Reply};
use crate::replies::{self, Ask};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_roles)
        .service(get_role)
        .service(list_permissions)
        .service(register_permission)
        .service(remove_permission);
}

/// List the roles, the highest rank first.
///
/// Needs `roles.read`.
#[utoipa::path(
    operation_id = "listRoles", tag = "roles",
    responses((status = 200, description = "All roles.", body = Page<Role>))
)]
#[get("/api/v1/roles")]
async fn list_roles(_by: Can<needs::ReadRoles>, app: State) -> Result<Reply, AppError> {
    let roles = app.db.read(service::list).await?;
    Reply::page(&Page::whole(roles))
}

/// Show a role.
///
/// Needs `roles.read`.
#[utoipa::path(
    operation_id = "getRole", tag = "roles", params(("name" = String, Path)),
    responses((status = 200, description = "The role.", body = Data<Role>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/roles/{name}")]
async fn get_role(
    _by: Can<needs::ReadRoles>,
    app: State,
    name: web::Path<String>,
) -> Result<Reply, AppError> {
    let role = app.db.read(move |tx| service::show(tx, &name)).await?;
    Reply::resource(&role)
}

/// List the permission catalogue, by name.
///
/// Needs `roles.read`.
#[utoipa::path(
    operation_id = "listPermissions", tag = "roles",
    responses((status = 200, description = "The whole catalogue.", body = Page<Permission>))
)]
#[get("/api/v1/permissions")]
async fn list_permissions(_by: Can<needs::ReadRoles>, app: State) -> Result<Reply, AppError> {
    let catalogue = app.db.read(service::catalogue).await?;
    Reply::page(&Page::whole(catalogue))
}

/// Register a permission of an app.
///
/// Needs `roles.manage`.
#[utoipa::path(
    operation_id = "registerPermission", tag = "roles", request_body = NewPermission,
    responses((status = 201, description = "Registered.", body = Data<Permission>))
)]
#[post("/api/v1/permissions")]
async fn register_permission(
    by: Can<needs::ManageRoles>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewPermission>,
) -> Result<Reply, AppError> {
    let ask = Ask::new(&app.vault, "registerPermission", key.0, &body.raw);
    let new = body.into_inner();
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            replies::once(tx, &vault, &by, &ask, |tx| {
                let permission = service::register(tx, &by, &new)?;
                let reply = Reply::created(
                    format!("/api/v1/permissions/{}", permission.name),
                    &permission,
                )?;
                Ok((reply, None))
            })
        })
        .await
}

/// Take a permission out of the catalogue.
///
/// Needs `roles.manage`. One that accounts or roles have can't be taken out.
#[utoipa::path(
    operation_id = "removePermission", tag = "roles", params(("name" = String, Path)),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/permissions/{name}")]
async fn remove_permission(
    by: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
) -> Result<Reply, AppError> {
    app.db
        .write(move |tx| service::unregister(tx, &by, &name))
        .await?;
    Ok(Reply::no_content())
}
