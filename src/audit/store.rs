//! Queries that write to the audit log.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use crate::platform::db::PreparedStatement;
use crate::platform::ids::AuditEventId;

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

/// Personal data, the account that it belongs to, and the random bytes with which it is hashed.
pub struct PersonalDataRow {
    pub user_id: Option<Uuid>,
    pub data: Value,
    pub salt: [u8; 16],
}

/// Inserts an event, its entry in the queue of unsealed events, and the personal data of actor and subject. One statement
/// for every outcome, so that all outcomes take the same time.
pub fn insert(
    conn: &mut PgConnection,
    event: &NewAuditEventRow<'_>,
    actor: &PersonalDataRow,
    actor_name_salt: [u8; 16],
    subject: Option<&PersonalDataRow>,
) -> QueryResult<usize> {
    let statement = diesel::sql_query(
        "WITH event AS ( \
           INSERT INTO audit_events (id, at, actor_kind, actor_id, actor_owner_id, session_id, action, subject_kind, \
             subject_id, user_id, outcome, code, reason, before, after, trace_id, \
             actor_commitment, actor_name_commitment, subject_commitment) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
             audit_commitment($21, $17, $18 - 'name'::text), audit_commitment($22, $17, $18 -> 'name'::text), \
             audit_commitment($23, $19, $20)) \
         ), queue_entry AS ( \
           INSERT INTO audit_chain_queue (event_id) VALUES ($1) \
         ) \
         INSERT INTO audit_personal_data (event_id, user_id, participant, data, salt, name_salt) \
         SELECT $1, $17, 'actor', $18, $21, $22 \
         UNION ALL SELECT $1, $19, 'subject', $20, $23, NULL WHERE $20 IS NOT NULL",
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
    .bind::<Nullable<Jsonb>, _>(subject.map(|row| &row.data))
    .bind::<Bytea, _>(actor.salt)
    .bind::<Bytea, _>(actor_name_salt)
    .bind::<Nullable<Bytea>, _>(subject.map(|row| row.salt));
    PreparedStatement(statement).execute(conn)
}

/// Erases the personal data of an account that no longer exists, except the name of what it did. Returns the number of rows.
pub fn erase_personal_data(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<i64> {
    let call = sql::<BigInt>("erase_audit_personal_data(")
        .bind::<SqlUuid, _>(user_id)
        .sql(")");
    diesel::select(call).get_result(conn)
}
