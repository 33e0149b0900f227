//! Endpoints for the sessions of all accounts.

use std::net::IpAddr;

use actix_web::{delete, get, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use crate::access::authentication::{Can, needs};
use crate::access::sessions::model::Session;
use crate::access::sessions::policy::SessionFilter;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IfMatch, InvalidQuery, Page, PageQuery, PagedList, Query, QueryReader, Reply,
};
use crate::platform::ids::{SessionId, UserId};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_sessions)
        .service(get_session)
        .service(end_session);
}

/// The conditions on the sessions of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct SessionFilterQuery {
    /// Only sessions of this account.
    #[param(rename = "userId")]
    user: Option<UserId>,
    /// Only sessions that began at this client address.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
}

struct SessionListQuery {
    filter: SessionFilterQuery,
    page: PageQuery,
}

impl FromQuery for SessionListQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            filter: SessionFilterQuery {
                user: params.take("userId"),
                ip: params.take("ip"),
            },
            page: PageQuery::from_query(params)?,
        })
    }
}

/// List sessions.
///
/// Needs `sessions.read`. The newest first. Sessions of accounts that the caller does not rank above are left out; if
/// `userId` names such an account, the response is 403.
#[utoipa::path(
    operation_id = "listSessions", tag = "sessions", params(SessionFilterQuery, PageQuery),
    responses((status = 200, description = "A page of sessions.", body = Page<Session>))
)]
#[get("/api/v1/sessions")]
async fn list_sessions(
    caller: Can<needs::ReadSessions>,
    app: State,
    query: Query<SessionListQuery>,
) -> Result<Reply, AppError> {
    let SessionListQuery { filter, page } = query.into_inner();
    let SessionFilterQuery { user, ip } = filter;
    let filter = SessionFilter { user, ip };
    let list = PagedList::new(&app.cursors, format!("sessions {filter:?}"), page);
    let (after, limit, count) = (list.after()?, list.query_limit(), list.count());
    let found = app
        .db
        .read_audited(move |tx| service::list(tx, &caller, &filter, after, limit, count))
        .await?;
    list.reply(found, |last: &Session| last.id)
}

/// Show a session.
///
/// Needs `sessions.read` and a higher rank than the account.
#[utoipa::path(
    operation_id = "getSession", tag = "sessions", params(("id" = SessionId, Path)),
    responses((status = 200, description = "The session.", body = Data<Session>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/sessions/{id}")]
async fn get_session(
    caller: Can<needs::ReadSessions>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = SessionId::from_path(&id);
    let session = app
        .db
        .read_audited(move |tx| service::show(tx, &caller, id))
        .await?;
    Reply::resource(&session)
}

/// End a session.
///
/// Needs `sessions.revoke` and a higher rank than the account. The refresh token and the access tokens of the session end
/// at once.
#[utoipa::path(
    operation_id = "endSession", tag = "sessions", params(("id" = SessionId, Path)),
    responses((status = 204, description = "The session has ended."))
)]
#[delete("/api/v1/sessions/{id}")]
async fn end_session(
    caller: Can<needs::RevokeSessions>,
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
