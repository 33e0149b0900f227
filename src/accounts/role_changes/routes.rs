//! `PATCH` and `DELETE /roles/{name}`.

use actix_web::{delete, patch, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::accounts::roles::{Role, RolePatch};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IfMatch, InvalidQuery, Json, Query, QueryParams, Reply,
};

/// Mounts and documents the endpoints.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(update_role).service(delete_role);
}

/// Where the accounts of a role go.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct MoveAccountsQuery {
    /// The role that the accounts get which have this one; when it is renamed, its new name keeps them. It is decided as
    /// giving each of them that role, and needs `users.update` too.
    #[param(rename = "moveTo")]
    move_to: Option<String>,
}

impl FromQuery for MoveAccountsQuery {
    fn from_query(params: &mut QueryParams<'_>) -> Result<Self, InvalidQuery> {
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
    operation_id = "updateRole", tag = "roles", params(("name" = String, Path), MoveAccountsQuery), request_body = RolePatch,
    responses((status = 200, description = "The role as it is now.", body = Data<Role>))
)]
#[patch("/api/v1/roles/{name}")]
async fn update_role(
    by: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
    query: Query<MoveAccountsQuery>,
    expected: IfMatch,
    body: Json<RolePatch>,
) -> Result<Reply, AppError> {
    let change = body.into_inner().check()?;
    let move_to = query.into_inner().move_to;
    let role = app
        .db
        .write(move |tx| service::update(tx, &by, &name, &change, move_to.as_deref(), &expected))
        .await?;
    Reply::resource(&role)
}

/// Delete a role.
///
/// Needs `roles.manage` and a rank above the role's. One that accounts have, deleted ones counted, is 409 `role_in_use`
/// with their `count`, unless `moveTo` says where they go.
#[utoipa::path(
    operation_id = "deleteRole", tag = "roles", params(("name" = String, Path), MoveAccountsQuery),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/roles/{name}")]
async fn delete_role(
    by: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
    query: Query<MoveAccountsQuery>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let move_to = query.into_inner().move_to;
    app.db
        .write(move |tx| service::delete(tx, &by, &name, move_to.as_deref(), &expected))
        .await?;
    Ok(Reply::no_content())
}
