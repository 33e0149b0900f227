//! Reading the audit log over HTTP.

use std::net::IpAddr;

use actix_web::get;
use chrono::{DateTime, Utc};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::{AuditEvent, SignInAttempt};
use super::policy::{ActionFilter, ByWhom, Filter, Position};
use super::service::{self, Asked, Found};
use crate::access::authentication::{Can, needs};
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{FromQuery, Limit, Noted, Page, Params, Query, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_audit_events).service(list_sign_ins);
}

/// Which lines, and which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; ListRequest reads them")]
struct ListParams {
    /// About this account, its sessions and tokens: its id, username or confirmed email address. A name that no account has
    /// finds the attempts to sign in with it.
    user: Option<String>,
    /// By this actor: the id of an account (with its tokens), a token or a client; a kind (`user`, `token`, `client`, `cli`,
    /// `system`, `anonymous`); or what it was called then, for the operator as `cli:<name>`.
    actor: Option<String>,
    /// This action; `user.*` for all that begin with `user.`.
    action: Option<String>,
    /// From this address.
    ip: Option<String>,
    /// Not before this time (RFC 3339).
    since: Option<DateTime<Utc>>,
    /// Before this time.
    until: Option<DateTime<Utc>>,
    /// How many on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `page.next` of the page before.
    cursor: Option<String>,
    /// Whether `page.total` is wanted.
    count: Option<bool>,
}

/// What came of an act.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameter; ListRequest reads it")]
struct EventOutcome {
    /// `done` or `refused`.
    #[param(pattern = "^(done|refused)$")]
    outcome: Option<String>,
}

/// What came of an attempt to sign in.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameter; ListRequest reads it")]
struct AttemptOutcome {
    /// `success` or `failure`.
    #[param(pattern = "^(success|failure)$")]
    outcome: Option<String>,
}

/// A list that is asked for, whose outcomes are called `DONE` and `REFUSED`.
struct ListRequest<Outcomes> {
    filter: Filter,
    limit: Limit,
    cursor: Option<String>,
    count: bool,
    outcomes: std::marker::PhantomData<Outcomes>,
}

trait Outcomes {
    const DONE: &'static str;
    const REFUSED: &'static str;
}

impl Outcomes for EventOutcome {
    const DONE: &'static str = "done";
    const REFUSED: &'static str = "refused";
}

impl Outcomes for AttemptOutcome {
    const DONE: &'static str = "success";
    const REFUSED: &'static str = "failure";
}

impl<O: Outcomes> FromQuery for ListRequest<O> {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        let outcome = |text: &str| match text {
            _ if text == O::DONE => Ok(true),
            _ if text == O::REFUSED => Ok(false),
            _ => Err(("invalid_value", "is no outcome known here")),
        };
        Ok(Self {
            filter: Filter {
                query: None,
                user: params.take("user"),
                actor: params.take_with("actor", |text| Ok(ByWhom::parse(text))),
                action: params.take_with("action", |text| Ok(ActionFilter::parse(text))),
                done: params.take_with("outcome", outcome),
                ip: params.take("ip").map(|ip: IpAddr| ip.to_canonical()),
                since: params.take_with("since", time),
                until: params.take_with("until", time),
            },
            limit: Limit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
            outcomes: std::marker::PhantomData,
        })
    }
}

fn time(text: &str) -> Result<DateTime<Utc>, (&'static str, &'static str)> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| ("invalid_format", "is no time of RFC 3339"))
}

/// A list that is asked for, in the terms of the service, and what seals its cursors.
struct Opened {
    asked: Asked,
    limit: Limit,
    context: String,
}

impl<O> ListRequest<O> {
    fn open(self, app: &AppState, list: &str) -> Result<Opened, AppError> {
        let filter = serde_json::to_string(&self.filter).map_err(AppError::internal)?;
        let context = format!("{list} {filter}");
        let after = self
            .cursor
            .map(|cursor| app.cursors.decode(&context, &cursor))
            .transpose()?;
        let asked = Asked {
            filter: self.filter,
            after,
            rows: self.limit.rows(),
            count: self.count,
        };
        Ok(Opened {
            asked,
            limit: self.limit,
            context,
        })
    }
}

fn page<T: serde::Serialize>(
    app: &AppState,
    limit: Limit,
    context: &str,
    (lines, total): Found<T>,
    position: impl Fn(&T) -> Position,
) -> Result<Reply, AppError> {
    let cursor = |last: &T| app.cursors.encode(context, &position(last));
    Reply::page(&Page::of(lines, limit, cursor)?.counted(total))
}

/// List what was done, the newest first.
///
/// Needs `audit.read`. Every act that changes something is here with who did it, from where and what changed, and every
/// attempt that was refused. Names and addresses go when the account is purged; the lines stay.
#[utoipa::path(
    operation_id = "listAuditEvents", tag = "audit", params(ListParams, EventOutcome),
    responses((status = 200, description = "One page.", body = Page<AuditEvent>))
)]
#[get("/api/v1/audit/events")]
async fn list_audit_events(
    by: Can<needs::ReadAudit>,
    app: State,
    query: Query<ListRequest<EventOutcome>>,
) -> Result<Reply, AppError> {
    let Opened {
        asked,
        limit,
        context,
    } = query.into_inner().open(&app, "audit events")?;
    let vault = app.vault.clone();
    let found = app
        .db
        .read(move |tx| service::events(tx, &vault, &by, &asked))
        .await?;
    page(&app, limit, &context, found, AuditEvent::position)
}

/// List who tried to sign in, the newest first.
///
/// Needs `audit.read`. Each attempt with what came of it and why; of attempts that were turned away unlooked at, one a
/// minute for each account, name and source.
#[utoipa::path(
    operation_id = "listSignIns", tag = "audit", params(ListParams, AttemptOutcome),
    responses((status = 200, description = "One page.", body = Page<SignInAttempt>))
)]
#[get("/api/v1/audit/logins")]
async fn list_sign_ins(
    by: Can<needs::ReadAudit>,
    app: State,
    query: Query<ListRequest<AttemptOutcome>>,
) -> Result<Reply, AppError> {
    let Opened {
        asked,
        limit,
        context,
    } = query.into_inner().open(&app, "audit logins")?;
    let vault = app.vault.clone();
    let found = app
        .db
        .read(move |tx| service::sign_ins(tx, &vault, &by, &asked))
        .await?;
    page(&app, limit, &context, found, SignInAttempt::position)
}
