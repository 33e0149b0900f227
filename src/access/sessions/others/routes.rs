//! Everybody's sessions over HTTP.

use std::net::IpAddr;

use actix_web::{delete, get, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::access::sessions::model::Session;
use crate::access::sessions::policy::Filter;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Data, FromQuery, IfMatch, PageLimit, InvalidQuery, Page, QueryParams, Query, Reply};
use crate::platform::ids::{SessionId, UserId};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_sessions)
        .service(get_session)
        .service(end_session);
}

/// Which sessions, and which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListRequest {
    /// This account's.
    #[param(rename = "userId")]
    user: Option<UserId>,
    /// Those that began at this address.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
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
            user: params.take("userId"),
            ip: params.take("ip"),
            limit: PageLimit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List everybody's sessions, the newest first.
///
/// Needs `sessions.read`. Those of accounts that the caller does not rank above are left out; asked for by `userId`, they
/// are refused.
#[utoipa::path(
    operation_id = "listSessions", tag = "sessions", params(ListRequest),
    responses((status = 200, description = "One page.", body = Page<Session>))
)]
#[get("/api/v1/sessions")]
async fn list_sessions(
    by: Can<needs::ReadSessions>,
    app: State,
    query: Query<ListRequest>,
) -> Result<Reply, AppError> {
    let ListRequest {
        user,
        ip,
        limit,
        cursor,
        count,
    } = query.into_inner();
    let filter = Filter { user, ip };
    let context = format!("sessions {filter:?}");
    let after = cursor
        .map(|cursor| app.cursors.decode(&context, &cursor))
        .transpose()?;
    let (sessions, total) = app
        .db
        .write(move |tx| service::list(tx, &by, &filter, after, limit.query_limit(), count))
        .await?;
    let cursor = |last: &Session| app.cursors.encode(&context, &last.id);
    Reply::page(&Page::from_rows(sessions, limit, cursor)?.with_total(total))
}

/// Show a session.
///
/// Needs `sessions.read`, and to rank above the account.
#[utoipa::path(
    operation_id = "getSession", tag = "sessions", params(("id" = SessionId, Path)),
    responses((status = 200, description = "The session.", body = Data<Session>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/sessions/{id}")]
async fn get_session(
    by: Can<needs::ReadSessions>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = SessionId::from_path(&id);
    let session = app.db.write(move |tx| service::show(tx, &by, id)).await?;
    Reply::resource(&session)
}

/// End a session.
///
/// Needs `sessions.revoke`, and to rank above the account. Its refresh token and its access tokens are dead from now on.
#[utoipa::path(
    operation_id = "endSession", tag = "sessions", params(("id" = SessionId, Path)),
    responses((status = 204, description = "Ended."))
)]
#[delete("/api/v1/sessions/{id}")]
async fn end_session(
    by: Can<needs::RevokeSessions>,
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
