//! The response to `GET /users/{id}` and `GET /auth/me`: from the cache if its lease is valid, else from the database.

use std::sync::Arc;

use crate::access::{sessions, tokens};
use crate::accounts::users::service;
use crate::accounts::users::{User, UserStats};
use crate::app_state::AppState;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::http::Reply;
use crate::platform::ids::UserId;

/// The reply that shows this account.
///
/// # Errors
/// 404; database errors.
pub async fn show(app: &AppState, id: UserId) -> Result<Reply, AppError> {
    if let Some(response) = app.auth_cache.get_user_response(id.0) {
        return Ok(Reply::from_stored(response.as_ref().clone()));
    }
    let fill = app.auth_cache.begin_fill();
    let user = app.db.read(move |tx| service::show(tx, id)).await?;
    let response = Reply::resource(&user)?.into_stored();
    app.auth_cache
        .insert_user_response(fill, id.0, Arc::new(response.clone()));
    Ok(Reply::from_stored(response))
}

/// The reply that shows this account with the numbers of its sessions and tokens, from the database.
///
/// # Errors
/// As [`show`].
pub async fn show_with_stats(app: &AppState, id: UserId) -> Result<Reply, AppError> {
    let user = app.db.read(move |tx| read_with_stats(tx, id)).await?;
    Reply::resource(&user)
}

fn read_with_stats(tx: &mut Tx<'_>, id: UserId) -> Result<User, AppError> {
    let stats = UserStats {
        sessions: sessions::service::count(tx, id)?,
        tokens: tokens::service::count(tx, id)?,
    };
    let mut user = service::show(tx, id)?;
    user.stats = Some(stats);
    Ok(user)
}
