//! One's own sessions over HTTP.

use actix_web::{delete, get, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::SignedIn;
use crate::access::sessions::model::Session;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, IfMatch, PageLimit, InvalidQuery, Page, QueryParams, Query, Reply};
use crate::platform::ids::SessionId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_own_sessions)
        .service(end_own_session)
        .service(end_other_own_sessions);
}

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListRequest {
    /// How many on a page.
    #[param(required = false)]
    limit: PageLimit,
    /// `page.next` of the page before.
    cursor: Option<String>,
    /// Whether `page.total` is wanted.
    #[param(required = false, default = false)]
    count: bool,
}

impl FromQuery for ListRequest {
    fn from_query(params: &mut QueryParams<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            limit: PageLimit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List one's own sessions, the newest first.
#[utoipa::path(
    operation_id = "listOwnSessions", tag = "auth", params(ListRequest),
    responses((status = 200, description = "One page; `isCurrent` marks the session that asks.", body = Page<Session>))
)]
#[get("/api/v1/auth/sessions")]
async fn list_own_sessions(
    by: SignedIn,
    app: State,
    query: Query<ListRequest>,
) -> Result<Reply, AppError> {
    let ListRequest {
        limit,
        cursor,
        count,
    } = query.into_inner();
    let context = format!("own sessions {}", by.id);
    let after = cursor
        .map(|cursor| app.cursors.decode(&context, &cursor))
        .transpose()?;
    let (sessions, total) = app
        .db
        .read(move |tx| service::list(tx, &by, after, limit.query_limit(), count))
        .await?;
    let cursor = |last: &Session| app.cursors.encode(&context, &last.id);
    Reply::page(&Page::from_rows(sessions, limit, cursor)?.with_total(total))
}

/// End one of one's own sessions.
///
/// The one that asks is ended too if it is named.
#[utoipa::path(
    operation_id = "endOwnSession", tag = "auth", params(("id" = SessionId, Path)),
    responses((status = 204, description = "Ended, with its refresh token and its access tokens."))
)]
#[delete("/api/v1/auth/sessions/{id}")]
async fn end_own_session(
    by: SignedIn,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = SessionId::from_path(&id);
    app.db
        .write(move |tx| service::end_one(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// End all of one's own sessions but the one that asks.
#[utoipa::path(
    operation_id = "endOtherOwnSessions", tag = "auth",
    responses((status = 204, description = "Ended."))
)]
#[delete("/api/v1/auth/sessions")]
async fn end_other_own_sessions(by: SignedIn, app: State) -> Result<Reply, AppError> {
    app.db.write(move |tx| service::end_others(tx, &by)).await?;
    Ok(Reply::no_content())
}
