//! Queries that write to the audit log.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use crate::platform::db::PreparedStatement;
use crate::platform::ids::AuditEventId;
use crate::schema::audit_personal_data;

pub struct NewAuditEventRow<'a> {
    pub id: AuditEventId,
    pub at: DateTime<Utc>,
    pub actor_kind: &'a str,
    pub actor_id: Option<Uuid>,
    pub actor_owner_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub action: &'a str,
    pub subject_kind: Option<&'a str>,
    pub subject_id: Option<String>,
    pub user_id: Option<Uuid>,
    pub outcome: &'a str,
    pub code: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub trace_id: Option<&'a str>,
}

/// Personal data and the account that it belongs to.
pub struct PersonalDataRow {
    pub user_id: Option<Uuid>,
    pub data: Value,
}

/// Inserts an event, its entry in the queue of unsealed events, and the personal data of actor and subject. One statement
/// for every outcome, so that all outcomes take the same time.
pub fn insert(
    conn: &mut PgConnection,
    event: &NewAuditEventRow<'_>,
    actor: &PersonalDataRow,
    subject: Option<&PersonalDataRow>,
) -> QueryResult<usize> {
    let statement = diesel::sql_query(
        "WITH event AS ( \
           INSERT INTO audit_events (id, at, actor_kind, actor_id, actor_owner_id, session_id, action, subject_kind, \
             subject_id, user_id, outcome, code, reason, before, after, trace_id) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         ), queue_entry AS ( \
           INSERT INTO audit_chain_queue (event_id) VALUES ($1) \
         ) \
         INSERT INTO audit_personal_data (event_id, user_id, participant, data) \
         SELECT $1, $17, 'actor', $18 \
         UNION ALL SELECT $1, $19, 'subject', $20 WHERE $20 IS NOT NULL",
    )
    .bind::<SqlUuid, _>(event.id)
    .bind::<Timestamptz, _>(event.at)
    .bind::<Text, _>(event.actor_kind)
    .bind::<Nullable<SqlUuid>, _>(event.actor_id)
    .bind::<Nullable<SqlUuid>, _>(event.actor_owner_id)
    .bind::<Nullable<SqlUuid>, _>(event.session_id)
    .bind::<Text, _>(event.action)
    .bind::<Nullable<Text>, _>(event.subject_kind)
    .bind::<Nullable<Text>, _>(event.subject_id.as_deref())
    .bind::<Nullable<SqlUuid>, _>(event.user_id)
    .bind::<Text, _>(event.outcome)
    .bind::<Nullable<Text>, _>(event.code)
    .bind::<Nullable<Text>, _>(event.reason)
    .bind::<Nullable<Jsonb>, _>(event.before.as_ref())
    .bind::<Nullable<Jsonb>, _>(event.after.as_ref())
    .bind::<Nullable<Text>, _>(event.trace_id)
    .bind::<Nullable<SqlUuid>, _>(actor.user_id)
    .bind::<Jsonb, _>(&actor.data)
    .bind::<Nullable<SqlUuid>, _>(subject.and_then(|row| row.user_id))
    .bind::<Nullable<Jsonb>, _>(subject.map(|row| &row.data));
    PreparedStatement(statement).execute(conn)
}

/// Deletes the personal data of an account. The events remain.
pub fn erase_personal_data(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<usize> {
    diesel::delete(audit_personal_data::table.filter(audit_personal_data::user_id.eq(user_id)))
        .execute(conn)
}
