//! Deleting accounts and bringing them back, over HTTP.

use actix_web::{delete, post, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::User;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, FromQuery, IfMatch, InvalidQuery, QueryParams, Query, Reply};
use crate::platform::ids::UserId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(delete_user).service(restore_user);
}

/// How to delete.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteRequest {
    /// For ever: the account and all that hangs on it is gone, and its name is free.
    #[param(required = false, default = false)]
    purge: bool,
}

impl FromQuery for DeleteRequest {
    fn from_query(params: &mut QueryParams<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            purge: params.take("purge").unwrap_or_default(),
        })
    }
}

/// Delete an account.
///
/// Needs `users.delete`. It can't sign in, keeps its name and can be restored; with `purge=true` it is gone for ever.
#[utoipa::path(
    operation_id = "deleteUser", tag = "users", params(("id" = UserId, Path), DeleteRequest),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/users/{id}")]
async fn delete_user(
    by: Can<needs::DeleteUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    query: Query<DeleteRequest>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let remove = if query.purge {
        service::purge
    } else {
        service::delete
    };
    app.db
        .write(move |tx| remove(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Bring a deleted account back.
///
/// Needs `users.delete`. What was ended stays ended.
#[utoipa::path(
    operation_id = "restoreUser", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[post("/api/v1/users/{id}/restore")]
async fn restore_user(
    by: Can<needs::DeleteUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let user = app
        .db
        .write(move |tx| service::restore(tx, &by, id, &expected))
        .await?;
    Reply::resource(&user)
}
