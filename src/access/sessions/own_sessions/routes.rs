//! Endpoints for the caller's own sessions.

use actix_web::{delete, get, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::SignedIn;
use crate::access::sessions::SignOutQuery;
use crate::access::sessions::model::Session;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{IfMatch, Page, PageQuery, PagedList, Query, Reply};
use crate::platform::ids::SessionId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_own_sessions)
        .service(end_own_session)
        .service(end_other_own_sessions);
}

/// List the caller's own sessions.
///
/// The newest first. `isCurrent` marks the session of the request.
#[utoipa::path(
    operation_id = "listOwnSessions", tag = "auth", params(PageQuery),
    responses((status = 200, description = "A page of sessions.", body = Page<Session>))
)]
#[get("/api/v1/auth/sessions")]
async fn list_own_sessions(
    caller: SignedIn,
    app: State,
    query: Query<PageQuery>,
) -> Result<Reply, AppError> {
    let context = format!("own sessions {}", caller.id);
    let list = PagedList::new(&app.cursors, context, query.into_inner());
    let (after, limit, count) = (list.after()?, list.query_limit(), list.count());
    let found = app
        .db
        .read(move |tx| service::list(tx, &caller, after, limit, count))
        .await?;
    list.reply(found, |last: &Session| last.id)
}

/// End one of the caller's own sessions.
///
/// This can be the session of the request.
#[utoipa::path(
    operation_id = "endOwnSession", tag = "auth", params(("id" = SessionId, Path)),
    responses((status = 204, description = "The session, its refresh token and its access tokens have ended."))
)]
#[delete("/api/v1/auth/sessions/{id}")]
async fn end_own_session(
    caller: SignedIn,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = SessionId::from_path(&id);
    app.db
        .write(move |tx| service::end_session(tx, &caller, id, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// End all of the caller's own sessions except the session of the request.
///
/// The caller's personal access tokens stay valid unless `tokens` is true.
#[utoipa::path(
    operation_id = "endOtherOwnSessions", tag = "auth", params(SignOutQuery),
    responses((status = 204, description = "The other sessions have ended."))
)]
#[delete("/api/v1/auth/sessions")]
async fn end_other_own_sessions(
    caller: SignedIn,
    app: State,
    query: Query<SignOutQuery>,
) -> Result<Reply, AppError> {
    let tokens = query.personal_tokens();
    app.db
        .write(move |tx| service::end_other_sessions(tx, &caller, tokens))
        .await?;
    Ok(Reply::no_content())
}
