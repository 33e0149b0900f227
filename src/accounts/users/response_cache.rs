//! How one account is shown to those who may see it: from memory where that is certain, else from the database.

use std::sync::Arc;

use super::model::{Stats, User};
use super::service;
use crate::access::sessions;
use crate::access::tokens;
use crate::app_state::AppState;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::http::Reply;
use crate::platform::ids::UserId;

/// The answer that shows this account.
///
/// # Errors
/// 404 when there is none; the database's failures.
pub async fn show(app: &AppState, id: UserId) -> Result<Reply, AppError> {
    if let Some(page) = app.auth_cache.get_user_response(id.0) {
        return Ok(Reply::first(page.as_ref().clone()));
    }
    let fill = app.auth_cache.begin_fill();
    let user = app.db.read(move |tx| service::show(tx, id)).await?;
    let kept = Reply::resource(&user)?.into_kept();
    app.auth_cache
        .insert_user_response(fill, id.0, Arc::new(kept.clone()));
    Ok(Reply::first(kept))
}

/// The answer that shows this account with what hangs on it, as it is in the database.
///
/// # Errors
/// As [`show`].
pub async fn show_with_stats(app: &AppState, id: UserId) -> Result<Reply, AppError> {
    let user = app.db.read(move |tx| counted(tx, id)).await?;
    Reply::resource(&user)
}

fn counted(tx: &mut Tx<'_>, id: UserId) -> Result<User, AppError> {
    let stats = Stats {
        sessions: sessions::service::count(tx, id)?,
        tokens: tokens::service::count(tx, id)?,
    };
    let mut user = service::show(tx, id)?;
    user.stats = Some(stats);
    Ok(user)
}
