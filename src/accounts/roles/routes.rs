//! Roles and the permission catalogue over HTTP.

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use super::{NewPermission, NewRole, Permission, Role};
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::{self, IdempotentRequest};
use crate::platform::error::AppError;
use crate::platform::http::{Data, IdempotencyKey, Json, Page, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_roles)
        .service(create_role)
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
    Reply::page(&Page::single(roles))
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

/// Make a role.
///
/// Needs `roles.manage`. Its rank is below the caller's, and the caller holds everything that it gives.
#[utoipa::path(
    operation_id = "createRole", tag = "roles", request_body = NewRole,
    responses((status = 201, description = "Made; `Location` names it.", body = Data<Role>))
)]
#[post("/api/v1/roles")]
async fn create_role(
    by: Can<needs::ManageRoles>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewRole>,
) -> Result<Reply, AppError> {
    let ask = IdempotentRequest::new(&app.vault, "createRole", key.0, &body.raw);
    let draft = body.into_inner().check()?;
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            idempotency::run_once(tx, &vault, &by, &ask, |tx| {
                let role = service::create(tx, &by, &draft)?;
                let reply = Reply::created_resource(format!("/api/v1/roles/{}", role.name), &role)?;
                Ok((reply, None))
            })
        })
        .await
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
    let catalogue = app.db.read(service::list_permissions).await?;
    Reply::page(&Page::single(catalogue))
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
    let ask = IdempotentRequest::new(&app.vault, "registerPermission", key.0, &body.raw);
    let new = body.into_inner();
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            idempotency::run_once(tx, &vault, &by, &ask, |tx| {
                let permission = service::register_permission(tx, &by, &new)?;
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
        .write(move |tx| service::unregister_permission(tx, &by, &name))
        .await?;
    Ok(Reply::no_content())
}
