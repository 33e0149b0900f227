//! Endpoints that change and delete roles.

use actix_web::{delete, patch, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::accounts::roles::{Role, RolePatch};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IfMatch, InvalidQuery, Json, Query, QueryReader, Reply,
};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(update_role).service(delete_role);
}

/// The query parameters that move the accounts of a role.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct MoveAccountsQuery {
    /// The role that the accounts of this role get. For a renamed role this can be its new name. Needs `users.update` and, for
    /// each account, the authority to assign that role to it.
    #[param(rename = "moveTo")]
    move_to: Option<String>,
}

impl FromQuery for MoveAccountsQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            move_to: params.take("moveTo"),
        })
    }
}

/// Change a role.
///
/// Needs `roles.manage` and a higher rank than the role. The body is a merge patch: absent members stay, `null` clears, a
/// value sets. The change takes effect at the next request of each account. Built-in roles keep their name and rank, and
/// only a `SuperAdmin` can change them. The role `SuperAdmin` cannot be changed. Renaming a role that accounts have needs
/// `moveTo`; without it: 409 `role_in_use` with their `count`.
#[utoipa::path(
    operation_id = "updateRole", tag = "roles", params(("name" = String, Path), MoveAccountsQuery), request_body = RolePatch,
    responses((status = 200, description = "The role after the change.", body = Data<Role>))
)]
#[patch("/api/v1/roles/{name}")]
async fn update_role(
    caller: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
    query: Query<MoveAccountsQuery>,
    if_match: IfMatch,
    body: Json<RolePatch>,
) -> Result<Reply, AppError> {
    let change = body.into_inner().check()?;
    let move_to = query.into_inner().move_to;
    let role = app
        .db
        .write(move |tx| {
            service::update(tx, &caller, &name, &change, move_to.as_deref(), &if_match)
        })
        .await?;
    Reply::resource(&role)
}

/// Delete a role.
///
/// Needs `roles.manage` and a higher rank than the role. Deleting a role that accounts have, including deleted accounts,
/// needs `moveTo`; without it: 409 `role_in_use` with their `count`.
#[utoipa::path(
    operation_id = "deleteRole", tag = "roles", params(("name" = String, Path), MoveAccountsQuery),
    responses((status = 204, description = "The role has been deleted."))
)]
#[delete("/api/v1/roles/{name}")]
async fn delete_role(
    caller: Can<needs::ManageRoles>,
    app: State,
    name: web::Path<String>,
    query: Query<MoveAccountsQuery>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let move_to = query.into_inner().move_to;
    app.db
        .write(move |tx| service::delete(tx, &caller, &name, move_to.as_deref(), &if_match))
        .await?;
    Ok(Reply::no_content())
}
