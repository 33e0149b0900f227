//! Endpoints for roles and the permission catalogue.

use std::cmp::Reverse;

use actix_web::{delete, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use super::{NewPermission, NewRole, Permission, Role};
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::IdempotentRequest;
use crate::platform::error::AppError;
use crate::platform::http::{Data, IdempotencyKey, Json, Page, PageQuery, PagedList, Query, Reply};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_roles)
        .service(create_role)
        .service(get_role)
        .service(list_permissions)
        .service(register_permission)
        .service(get_permission)
        .service(remove_permission);
}

/// List roles.
///
/// Needs `roles.read`. The highest rank first.
#[utoipa::path(
    operation_id = "listRoles", tag = "roles", params(PageQuery),
    responses((status = 200, description = "A page of roles.", body = Page<Role>))
)]
#[get("/api/v1/roles")]
async fn list_roles(
    _caller: Can<needs::ReadRoles>,
    app: State,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let list = PagedList::new(&app.cursors, "roles".to_owned(), query.into_inner());
    let roles = app.db.read(service::list).await?;
    list.reply_from_all(roles, |role| (Reverse(role.rank), role.name.clone()))
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
    _caller: Can<needs::ReadRoles>,
    app: State,
    name: web::Path<String>,
) -> Result<Reply, AppError> {
    let role = app.db.read(move |tx| service::show(tx, &name)).await?;
    Reply::resource(&role)
}

/// Create a role.
///
/// Needs `roles.manage`, a higher rank than the role, and all of its permissions.
#[utoipa::path(
    operation_id = "createRole", tag = "roles", request_body = NewRole,
    responses((status = 201, description = "Created. `Location` is the URL of the role.", body = Data<Role>))
)]
#[post("/api/v1/roles")]
async fn create_role(
    caller: Can<needs::ManageRoles>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewRole>,
) -> Result<Reply, AppError> {
    let request = IdempotentRequest::new(&app.vault, "createRole", key, &body.raw);
    let draft = body.into_inner().check()?;
    request
        .run(&app.db, caller, move |tx, caller| {
            let role = service::create(tx, caller, &draft)?;
            let reply = Reply::created_resource(format!("/api/v1/roles/{}", role.name), &role)?;
            Ok((reply, None))
        })
        .await
}

/// List the permission catalogue.
///
/// Needs `roles.read`. Sorted by name.
#[utoipa::path(
    operation_id = "listPermissions", tag = "roles", params(PageQuery),
    responses((status = 200, description = "A page of permissions.", body = Page<Permission>))
)]
#[get("/api/v1/permissions")]
async fn list_permissions(
    _caller: Can<needs::ReadRoles>,
    app: State,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let list = PagedList::new(&app.cursors, "permissions".to_owned(), query.into_inner());
    let catalogue = app.db.read(service::list_permissions).await?;
    list.reply_from_all(catalogue, |permission| permission.name.clone())
}

/// Register a permission.
///
/// Needs `roles.manage`.
#[utoipa::path(
    operation_id = "registerPermission", tag = "roles", request_body = NewPermission,
    responses((status = 201, description = "The permission has been registered.", body = Data<Permission>))
)]
#[post("/api/v1/permissions")]
async fn register_permission(
    caller: Can<needs::ManageRoles>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewPermission>,
) -> Result<Reply, AppError> {
    let request = IdempotentRequest::new(&app.vault, "registerPermission", key, &body.raw);
    let new_permission = body.into_inner();
    request
        .run(&app.db, caller, move |tx, caller| {
            let permission = service::register_permission(tx, caller, &new_permission)?;
            let location = format!("/api/v1/permissions/{}", permission.name);
            Ok((Reply::created(location, &permission)?, None))
        })
        .await
}

/// Show a permission.
///
/// Needs `roles.read`.
#[utoipa::path(
    operation_id = "getPermission", tag = "roles", params(("name" = String, Path)),
    responses((status = 200, description = "The permission.", body = Data<Permission>))
)]
#[get("/api/v1/permissions/{name}")]
async fn get_permission(
    _caller: Can<needs::ReadRoles>,
    app: State,
    name: web::Path<String>,
) -> Result<Reply, AppError> {
    let permission = app
        .db
        .read(move |tx| service::show_permission(tx, &name))
        .await?;
    Reply::ok(&permission)
}

/// Remove a permission from the catalogue.
///
/// Needs `roles.manage`. A permission that an account, role or service client has cannot be removed: 409
/// `permission_in_use` with the `count`.
#[utoipa::path(
    operation_id = "removePermission", tag = "roles", params(("name" = String, Path)),
    responses((status = 204, description = "The permission has been removed."))
)]
#[delete("/api/v1/permissions/{name}")]
async fn remove_permission(
    caller: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
) -> Result<Reply, AppError> {
    app.db
        .write(move |tx| service::unregister_permission(tx, &caller, &name))
        .await?;
    Ok(Reply::no_content())
}
