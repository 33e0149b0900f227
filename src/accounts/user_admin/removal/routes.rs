//! Endpoints that delete and restore accounts.

use actix_web::{delete, post, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::User;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, FromQuery, IfMatch, InvalidQuery, Query, QueryReader, Reply};
use crate::platform::ids::UserId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(delete_user).service(restore_user);
}

/// The query parameters of a deletion.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteUserQuery {
    /// Whether to remove the account permanently with everything that references it. Its username becomes available.
    #[param(required = false, default = false)]
    purge: bool,
}

impl FromQuery for DeleteUserQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            purge: params.take("purge").unwrap_or_default(),
        })
    }
}

/// Delete a user.
///
/// Needs `users.delete`. A deleted account cannot sign in, keeps its username and can be restored. With `purge=true` it is
/// removed permanently.
#[utoipa::path(
    operation_id = "deleteUser", tag = "users", params(("id" = UserId, Path), DeleteUserQuery),
    responses((status = 204, description = "The account has been deleted."))
)]
#[delete("/api/v1/users/{id}")]
async fn delete_user(
    caller: Can<needs::DeleteUsers>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    query: Query<DeleteUserQuery>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let remove = if query.purge {
        service::purge
    } else {
        service::delete
    };
    app.db
        .write(move |tx| remove(tx, &caller, id, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// Restore a deleted user.
///
/// Needs `users.delete`. Sessions and tokens that were ended stay ended.
#[utoipa::path(
    operation_id = "restoreUser", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[post("/api/v1/users/{id}/restore")]
async fn restore_user(
    caller: Can<needs::DeleteUsers>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let user = app
        .db
        .write(move |tx| service::restore(tx, &caller, id, &if_match))
        .await?;
    Reply::resource(&user)
}
