//! Queries that read the audit log.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use super::filter::{ActionFilter, ActorFilter, AuditCursor, AuditFilter};
use crate::platform::ids::AuditEventId;
use crate::schema::{audit_events, audit_personal_data, users};

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct AuditEventRow {
    pub id: AuditEventId,
    pub at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor_owner_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub action: String,
    pub subject_kind: Option<String>,
    pub subject_id: Option<String>,
    pub user_id: Option<Uuid>,
    pub outcome: String,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub trace_id: Option<String>,
}

/// A filter whose names were resolved to ids.
pub struct ResolvedFilter<'a> {
    pub filter: &'a AuditFilter,
    /// The account of `filter.user`, or the keyed hash of an unknown username.
    pub user_id: Option<Uuid>,
    /// The events that match the name and the IP address of `filter`.
    pub actor_matches: Vec<ActorFieldMatch>,
    /// Only this action.
    pub action: Option<&'static str>,
    /// Whether the caller may see the names that remain of purged users.
    pub sees_purged_names: bool,
}

/// The events whose actor has a given name or IP address.
pub enum ActorFieldMatch {
    /// These events: few enough to start the query from them.
    Few(Vec<AuditEventId>),
    /// Too many to list: the condition is checked for one event after another, newest first.
    Many(ActorField, String),
}

/// A field of the actor's personal data.
#[derive(Clone, Copy)]
pub enum ActorField {
    /// The IP address.
    Ip,
    /// The name of the actor when the event happened.
    Name,
}

/// The events whose actor has this value in `field`.
pub fn find_by_actor_field(
    conn: &mut PgConnection,
    field: ActorField,
    value: String,
    sees_purged_names: bool,
) -> QueryResult<ActorFieldMatch> {
    const LIMIT: i64 = 1000;
    let ids: Vec<AuditEventId> = events_by_actor_field(field, value.clone(), sees_purged_names)
        .limit(LIMIT)
        .load(conn)?;
    Ok(if i64::try_from(ids.len()) == Ok(LIMIT) {
        ActorFieldMatch::Many(field, value)
    } else {
        ActorFieldMatch::Few(ids)
    })
}

/// At most `rows` events after `after`, newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &ResolvedFilter<'_>,
    after: Option<AuditCursor>,
    rows: i64,
) -> QueryResult<Vec<AuditEventRow>> {
    let mut query = matching(filter);
    if let Some(last) = after {
        query = query.filter(
            sql::<Bool>("(audit_events.at, audit_events.id) < (")
                .bind::<Timestamptz, _>(last.at)
                .sql(", ")
                .bind::<SqlUuid, _>(last.id)
                .sql(")"),
        );
    }
    query
        .order((audit_events::at.desc(), audit_events::id.desc()))
        .limit(rows)
        .select(AuditEventRow::as_select())
        .load(conn)
}

/// The number of all matching events.
pub fn count(conn: &mut PgConnection, filter: &ResolvedFilter<'_>) -> QueryResult<i64> {
    matching(filter).count().get_result(conn)
}

/// The personal data of events: the event, the part (`actor` or `subject`) and the data.
pub fn personal_data(
    conn: &mut PgConnection,
    events: &[AuditEventId],
    sees_purged_names: bool,
) -> QueryResult<Vec<(AuditEventId, String, Value)>> {
    visible_personal_data(sees_purged_names)
        .filter(audit_personal_data::event_id.eq_any(events))
        .select((
            audit_personal_data::event_id,
            audit_personal_data::participant,
            audit_personal_data::data,
        ))
        .load(conn)
}

/// The current usernames of accounts.
pub fn usernames(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<(Uuid, String)>> {
    users::table
        .filter(users::id.eq_any(ids))
        .select((users::id, users::username))
        .load(conn)
}

type EventQuery<'a> = audit_events::BoxedQuery<'a, Pg>;

fn matching<'a>(resolved: &ResolvedFilter<'a>) -> EventQuery<'a> {
    let mut query = audit_events::table.into_boxed();
    let filter = resolved.filter;
    if let Some(action) = resolved.action {
        query = query.filter(audit_events::action.eq(action));
    }
    if let Some(user) = resolved.user_id {
        query = query.filter(audit_events::user_id.eq(user));
    }
    if let Some(done) = filter.done {
        query = query.filter(audit_events::outcome.eq(if done { "done" } else { "refused" }));
    }
    if let Some(since) = filter.since {
        query = query.filter(audit_events::at.ge(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_events::at.lt(until));
    }
    query = match &filter.action {
        None => query,
        Some(ActionFilter::Exactly(action)) => query.filter(audit_events::action.eq(action)),
        Some(ActionFilter::BeginsWith(prefix)) => {
            query.filter(audit_events::action.like(escape_like(prefix) + "%"))
        }
    };
    if let Some(part) = &filter.query {
        let pattern = format!("%{}%", escape_like(part));
        let by_personal_data = visible_personal_data(resolved.sees_purged_names)
            .filter(
                sql::<Bool>("audit_personal_data.data::text ILIKE ")
                    .bind::<Text, _>(pattern.clone()),
            )
            .select(audit_personal_data::event_id);
        let by_username = users::table
            .filter(users::username.ilike(pattern.clone()))
            .select(users::id.nullable());
        query = query.filter(
            audit_events::action
                .ilike(pattern)
                .or(audit_events::id.eq_any(by_personal_data))
                .or(audit_events::user_id.eq_any(by_username)),
        );
    }
    for actor_match in &resolved.actor_matches {
        query = match actor_match {
            ActorFieldMatch::Few(ids) => query.filter(audit_events::id.eq_any(ids.clone())),
            ActorFieldMatch::Many(field, value) => {
                let events =
                    events_by_actor_field(*field, value.clone(), resolved.sees_purged_names);
                query.filter(audit_events::id.eq_any(events))
            }
        };
    }
    match &filter.actor {
        None | Some(ActorFilter::Name(_)) => query,
        Some(ActorFilter::Kind(kind)) => query.filter(audit_events::actor_kind.eq(kind.as_str())),
        Some(ActorFilter::Id(id)) => query.filter(
            audit_events::actor_id
                .eq(id)
                .or(audit_events::actor_owner_id.eq(id)),
        ),
    }
}

/// Escapes the wildcards of `LIKE`.
fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

/// A query for the events whose actor has this value in `field`.
fn events_by_actor_field<'a>(
    field: ActorField,
    value: String,
    sees_purged_names: bool,
) -> audit_personal_data::BoxedQuery<'a, Pg, SqlUuid> {
    let condition = match field {
        ActorField::Ip => "audit_personal_data.data ->> 'ip' = ",
        ActorField::Name => "audit_personal_data.data ->> 'name' = ",
    };
    visible_personal_data(sees_purged_names)
        .filter(audit_personal_data::participant.eq("actor"))
        .filter(sql::<Bool>(condition).bind::<Text, _>(value))
        .select(audit_personal_data::event_id)
}

/// The personal data that the caller may see. Names of purged users are shown to a `SuperAdmin` only.
fn visible_personal_data<'a>(sees_purged_names: bool) -> PersonalDataQuery<'a> {
    let all = audit_personal_data::table.into_boxed();
    if sees_purged_names {
        all
    } else {
        all.filter(audit_personal_data::erased_at.is_null())
    }
}

type PersonalDataQuery<'a> = audit_personal_data::BoxedQuery<'a, Pg>;
