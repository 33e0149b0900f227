//! Reading the audit log over HTTP.

use std::net::IpAddr;

use actix_web::get;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::filter::{ActionFilter, ActorFilter, AuditCursor, AuditFilter};
use super::model::{AuditEvent, Outcome, SignInAttempt, SignInOutcome};
use super::service::{self, AuditPage, AuditQuery};
use crate::access::authentication::{Can, needs};
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, InvalidQuery, Page, PageLimit, Query, QueryReader, Reply};
use crate::platform::timestamp::Timestamp;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_audit_events).service(list_sign_ins);
}

/// The query parameters of both list endpoints: audit events and sign-in attempts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditListParams {
    /// Only events about this account, its sessions and tokens: an id, a username or a confirmed email address. A name that no
    /// account has finds the sign-in attempts with it.
    user: Option<String>,
    /// Only events of this actor: the id of an account (including its tokens), a token or a client; a kind (`user`, `token`,
    /// `client`, `cli`, `system`, `anonymous`); or the actor's name at that time (`cli:<name>` for the operator).
    #[param(value_type = Option<String>)]
    actor: Option<ActorFilter>,
    /// Only this action; `user.*` for all actions that start with `user.`.
    #[param(value_type = Option<String>)]
    action: Option<ActionFilter>,
    /// Only events from this IP address.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Only events at or after this time (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Only events before this time (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// The maximum number of items per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200, default = 50)]
    limit: PageLimit,
    /// `page.next` of the previous page.
    #[param(min_length = 1, max_length = 2048, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// Whether to return `page.total`.
    #[param(value_type = Option<bool>)]
    count: bool,
}

/// The `outcome` parameter of the event list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct EventOutcomeParam {
    /// `done` or `refused`.
    #[param(inline)]
    outcome: Option<Outcome>,
}

/// The `outcome` parameter of the sign-in list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct SignInOutcomeParam {
    /// `success` or `failure`.
    #[param(inline)]
    outcome: Option<SignInOutcome>,
}

impl FromQuery for AuditListParams {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            user: params.take("user"),
            actor: params.take_with("actor", |text| Ok(ActorFilter::parse(text))),
            action: params.take_with("action", |text| Ok(ActionFilter::parse(text))),
            ip: params.take("ip").map(|ip: IpAddr| ip.to_canonical()),
            since: params.take_with("since", parse_time),
            until: params.take_with("until", parse_time),
            limit: PageLimit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

impl FromQuery for (AuditListParams, EventOutcomeParam) {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        let outcome = params.take_with("outcome", |text| match text {
            "done" => Ok(Outcome::Done),
            "refused" => Ok(Outcome::Refused),
            _ => Err(("invalid_value", "must be done or refused")),
        });
        let list = AuditListParams::from_query(params)?;
        Ok((list, EventOutcomeParam { outcome }))
    }
}

impl FromQuery for (AuditListParams, SignInOutcomeParam) {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        let outcome = params.take_with("outcome", |text| match text {
            "success" => Ok(SignInOutcome::Success),
            "failure" => Ok(SignInOutcome::Failure),
            _ => Err(("invalid_value", "must be success or failure")),
        });
        let list = AuditListParams::from_query(params)?;
        Ok((list, SignInOutcomeParam { outcome }))
    }
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, (&'static str, &'static str)> {
    match text.parse::<Timestamp>() {
        Ok(time) => Ok(time.into()),
        Err(error) => Err((error.code(), error.detail())),
    }
}

/// How to turn the rows of a query into a page with a cursor.
struct PageBuilder {
    limit: PageLimit,
    cursor_context: String,
}

impl AuditListParams {
    /// The query of these parameters. `succeeded` is the outcome to filter by; `list` makes its cursors invalid for other lists.
    fn into_query(
        self,
        app: &AppState,
        list: &str,
        succeeded: Option<bool>,
    ) -> Result<(AuditQuery, PageBuilder), AppError> {
        let filter = AuditFilter {
            query: None,
            user: self.user,
            actor: self.actor,
            action: self.action,
            done: succeeded,
            ip: self.ip,
            since: self.since,
            until: self.until,
        };
        let filter_json = serde_json::to_string(&filter).map_err(AppError::internal)?;
        let cursor_context = format!("{list} {filter_json}");
        let after = self
            .cursor
            .map(|cursor| app.cursors.decode(&cursor_context, &cursor))
            .transpose()?;
        let query = AuditQuery {
            filter,
            after,
            rows: self.limit.query_limit(),
            count: self.count,
        };
        let builder = PageBuilder {
            limit: self.limit,
            cursor_context,
        };
        Ok((query, builder))
    }
}

impl PageBuilder {
    fn reply<T: Serialize>(
        self,
        app: &AppState,
        (rows, total): AuditPage<T>,
        cursor: impl Fn(&T) -> AuditCursor,
    ) -> Result<Reply, AppError> {
        let encode = |last: &T| app.cursors.encode(&self.cursor_context, &cursor(last));
        Reply::page(&Page::from_rows(rows, self.limit, encode)?.with_total(total))
    }
}

/// List audit events.
///
/// Newest first. Needs `audit.read`. Contains every action that changes data and every attempt that was refused, with the
/// actor, the source and the changes. A purge of an account removes names and addresses; the events remain. What the account did
/// keeps its username, which only a `SuperAdmin` sees.
#[utoipa::path(
    operation_id = "listAuditEvents", tag = "audit", params(AuditListParams, EventOutcomeParam),
    responses((status = 200, description = "One page of events.", body = Page<AuditEvent>))
)]
#[get("/api/v1/audit/events")]
async fn list_audit_events(
    actor: Can<needs::ReadAudit>,
    app: State,
    query: Query<(AuditListParams, EventOutcomeParam)>,
) -> Result<Reply, AppError> {
    let (params, EventOutcomeParam { outcome }) = query.into_inner();
    let done = outcome.map(|outcome| outcome == Outcome::Done);
    let (query, page) = params.into_query(&app, "audit events", done)?;
    let vault = app.vault.clone();
    let found = app
        .db
        .read(move |tx| service::list_events(tx, &vault, &actor, &query))
        .await?;
    page.reply(&app, found, AuditEvent::cursor)
}

/// List sign-in attempts.
///
/// Newest first. Needs `audit.read`. Each attempt has its outcome and the reason of a failure. Of the attempts that a rate
/// limit rejects, one per minute is recorded for each account, name and source.
#[utoipa::path(
    operation_id = "listSignIns", tag = "audit", params(AuditListParams, SignInOutcomeParam),
    responses((status = 200, description = "One page of attempts.", body = Page<SignInAttempt>))
)]
#[get("/api/v1/audit/logins")]
async fn list_sign_ins(
    actor: Can<needs::ReadAudit>,
    app: State,
    query: Query<(AuditListParams, SignInOutcomeParam)>,
) -> Result<Reply, AppError> {
    let (params, SignInOutcomeParam { outcome }) = query.into_inner();
    let succeeded = outcome.map(|outcome| outcome == SignInOutcome::Success);
    let (query, page) = params.into_query(&app, "audit logins", succeeded)?;
    let vault = app.vault.clone();
    let found = app
        .db
        .read(move |tx| service::list_sign_ins(tx, &vault, &actor, &query))
        .await?;
    page.reply(&app, found, SignInAttempt::cursor)
}
