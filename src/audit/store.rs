//! Queries on the audit log.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::ids::EventId;
use crate::schema::{audit_events, audit_people};

#[derive(Insertable)]
#[diesel(table_name = audit_events)]
pub struct EventRow<'a> {
    pub id: EventId,
    pub at: DateTime<Utc>,
    pub actor_kind: &'a str,
    pub actor_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub action: &'a str,
    pub subject_kind: Option<&'a str>,
    pub subject_id: Option<String>,
    pub outcome: &'a str,
    pub code: Option<&'a str>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub trace_id: Option<&'a str>,
}

#[derive(Insertable)]
#[diesel(table_name = audit_people)]
pub struct WordsRow {
    pub event_id: EventId,
    pub user_id: Option<Uuid>,
    pub part: &'static str,
    pub words: Value,
}

pub fn insert(
    conn: &mut PgConnection,
    event: &EventRow<'_>,
    words: &[WordsRow],
) -> QueryResult<()> {
    diesel::insert_into(audit_events::table)
        .values(event)
        .execute(conn)?;
    diesel::insert_into(audit_people::table)
        .values(words)
        .execute(conn)?;
    Ok(())
}

/// Removes every word about this person; the rows stay.
pub fn forget(conn: &mut PgConnection, person: Uuid) -> QueryResult<usize> {
    diesel::delete(audit_people::table.filter(audit_people::user_id.eq(person))).execute(conn)
}
