//! Roles and the permission catalogue over HTTP.

use actix_web::{delete, get, patch, post, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service::{self, NewPermission, NewRole, Permission, Role, RolePatch};
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::{self, Ask};
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, Json, Noted, Page, Params, Query, Reply,
};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_roles)
        .service(create_role)
        .service(get_role)
        .service(update_role)
        .service(delete_role)
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
    let ask = Ask::new(&app.vault, "createRole", key.0, &body.raw);
    let draft = body.into_inner().check()?;
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            idempotency::once(tx, &vault, &by, &ask, |tx| {
                let role = service::create(tx, &by, &draft)?;
                let reply = Reply::created_resource(format!("/api/v1/roles/{}", role.name), &role)?;
                Ok((reply, None))
            })
        })
        .await
}

/// Where the accounts of a role go.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct MoveRequest {
    /// The role that the accounts get which have this one; when it is renamed, its new name keeps them. It is decided as
    /// giving each of them that role, and needs `users.update` too.
    #[param(rename = "moveTo")]
    move_to: Option<String>,
}

impl FromQuery for MoveRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        Ok(Self {
            move_to: params.take("moveTo"),
        })
    }
}

/// Change a role.
///
/// Needs `roles.manage` and a rank above the role's. A merge patch: absent keeps, `null` clears, a value sets. Whoever has
/// the role feels the change at the next request. The built-in roles keep name and rank and are changed by a `SuperAdmin`
/// only; the role `SuperAdmin` never changes. Renaming a role that accounts have is 409 `role_in_use` with their `count`,
/// unless `moveTo` says where they go.
#[utoipa::path(
    operation_id = "updateRole", tag = "roles", params(("name" = String, Path), MoveRequest), request_body = RolePatch,
    responses((status = 200, description = "The role as it is now.", body = Data<Role>))
)]
#[patch("/api/v1/roles/{name}")]
async fn update_role(
    by: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
    query: Query<MoveRequest>,
    expected: IfMatch,
    body: Json<RolePatch>,
) -> Result<Reply, AppError> {
    let change = body.into_inner().check()?;
    let move_to = query.into_inner().move_to;
    let role = app
        .db
        .write(move |tx| service::change(tx, &by, &name, &change, move_to.as_deref(), &expected))
        .await?;
    Reply::resource(&role)
}

/// Delete a role.
///
/// Needs `roles.manage` and a rank above the role's. One that accounts have, deleted ones counted, is 409 `role_in_use`
/// with their `count`, unless `moveTo` says where they go.
#[utoipa::path(
    operation_id = "deleteRole", tag = "roles", params(("name" = String, Path), MoveRequest),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/roles/{name}")]
async fn delete_role(
    by: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
    query: Query<MoveRequest>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let move_to = query.into_inner().move_to;
    app.db
        .write(move |tx| service::delete(tx, &by, &name, move_to.as_deref(), &expected))
        .await?;
    Ok(Reply::no_content())
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
            idempotency::once(tx, &vault, &by, &ask, |tx| {
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
