//! How one account is shown to those who may see it: from memory where that is certain, else from the database.

use std::sync::Arc;

use super::service;
use crate::app::App;
use crate::error::AppError;
use crate::http::Reply;
use crate::ids::UserId;

/// The answer that shows this account.
///
/// # Errors
/// 404 when there is none; the database's failures.
pub async fn show(app: &App, id: UserId) -> Result<Reply, AppError> {
    if let Some(page) = app.memory.recall_page(id.0) {
        return Ok(Reply::first(page.as_ref().clone()));
    }
    let ticket = app.memory.ticket();
    let user = app.db.read(move |tx| service::show(tx, id)).await?;
    let kept = Reply::resource(&user)?.into_kept();
    app.memory.keep_page(ticket, id.0, Arc::new(kept.clone()));
    Ok(Reply::first(kept))
}
