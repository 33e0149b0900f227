//! Queries that read the audit log.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use super::policy::{ActionFilter, ByWhom, Filter, Position};
use crate::platform::ids::EventId;
use crate::schema::{audit_events, audit_people, users};

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct EventRow {
    pub id: EventId,
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

/// Which rows: those of the filter, where it names an account those of `user`, where it names an address or what an actor
/// was called those of which that is `said`, and of one action only where that is asked.
pub struct Wanted<'a> {
    pub filter: &'a Filter,
    pub user: Option<Uuid>,
    pub said: Vec<Said>,
    pub only: Option<&'static str>,
}

/// The rows beside which something is written about who acted.
pub enum Said {
    /// These: so few that it is best to begin with them.
    OfThese(Vec<EventId>),
    /// So many that it is best to look at the newest rows one after another.
    OfMany(Member, String),
}

/// A member of the words about who acted.
#[derive(Clone, Copy)]
pub enum Member {
    /// The address.
    Ip,
    /// What the actor was called.
    Name,
}

/// The rows beside which this member of the words about who acted is this.
pub fn said(conn: &mut PgConnection, member: Member, text: String) -> QueryResult<Said> {
    const FEW: i64 = 1000;
    let rows: Vec<EventId> = said_of_actor(member, text.clone()).limit(FEW).load(conn)?;
    Ok(if i64::try_from(rows.len()) == Ok(FEW) {
        Said::OfMany(member, text)
    } else {
        Said::OfThese(rows)
    })
}

/// At most `rows` rows after `after`, the newest first.
pub fn page(
    conn: &mut PgConnection,
    wanted: &Wanted<'_>,
    after: Option<Position>,
    rows: i64,
) -> QueryResult<Vec<EventRow>> {
    let mut query = matching(wanted);
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
        .select(EventRow::as_select())
        .load(conn)
}

/// How many rows there are in all.
pub fn count(conn: &mut PgConnection, wanted: &Wanted<'_>) -> QueryResult<i64> {
    matching(wanted).count().get_result(conn)
}

/// What is written beside rows: which row, about whom (`actor` or `subject`), and the words.
pub fn words(
    conn: &mut PgConnection,
    events: &[EventId],
) -> QueryResult<Vec<(EventId, String, Value)>> {
    audit_people::table
        .filter(audit_people::event_id.eq_any(events))
        .select((
            audit_people::event_id,
            audit_people::part,
            audit_people::words,
        ))
        .load(conn)
}

/// What accounts are called.
pub fn usernames(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<(Uuid, String)>> {
    users::table
        .filter(users::id.eq_any(ids))
        .select((users::id, users::username))
        .load(conn)
}

type Query<'a> = audit_events::BoxedQuery<'a, Pg>;

fn matching<'a>(wanted: &Wanted<'a>) -> Query<'a> {
    let mut query = audit_events::table.into_boxed();
    let filter = wanted.filter;
    if let Some(only) = wanted.only {
        query = query.filter(audit_events::action.eq(only));
    }
    if let Some(user) = wanted.user {
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
        Some(ActionFilter::BeginsWith(beginning)) => {
            query.filter(audit_events::action.like(escaped(beginning) + "%"))
        }
    };
    if let Some(part) = &filter.query {
        let pattern = format!("%{}%", escaped(part));
        let said = audit_people::table
            .filter(sql::<Bool>("audit_people.words::text ILIKE ").bind::<Text, _>(pattern.clone()))
            .select(audit_people::event_id);
        let called = users::table
            .filter(users::username.ilike(pattern.clone()))
            .select(users::id.nullable());
        query = query.filter(
            audit_events::action
                .ilike(pattern)
                .or(audit_events::id.eq_any(said))
                .or(audit_events::user_id.eq_any(called)),
        );
    }
    for said in &wanted.said {
        query = match said {
            Said::OfThese(rows) => query.filter(audit_events::id.eq_any(rows.clone())),
            Said::OfMany(member, text) => {
                query.filter(audit_events::id.eq_any(said_of_actor(*member, text.clone())))
            }
        };
    }
    match &filter.actor {
        None | Some(ByWhom::Name(_)) => query,
        Some(ByWhom::Kind(kind)) => query.filter(audit_events::actor_kind.eq(kind.as_str())),
        Some(ByWhom::Id(id)) => query.filter(
            audit_events::actor_id
                .eq(id)
                .or(audit_events::actor_owner_id.eq(id)),
        ),
    }
}

/// A text that means itself in a pattern.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

/// The rows beside which this is written about who acted.
fn said_of_actor<'a>(member: Member, text: String) -> audit_people::BoxedQuery<'a, Pg, SqlUuid> {
    let condition = match member {
        Member::Ip => "audit_people.words ->> 'ip' = ",
        Member::Name => "audit_people.words ->> 'name' = ",
    };
    audit_people::table
        .filter(audit_people::part.eq("actor"))
        .filter(sql::<Bool>(condition).bind::<Text, _>(text))
        .select(audit_people::event_id)
        .into_boxed()
}
