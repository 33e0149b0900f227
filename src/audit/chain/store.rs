//! Queries on the chain.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};

use crate::platform::ids::AuditEventId;
use crate::schema::{audit_chain_anchors, audit_chain_links, audit_chain_queue, audit_events};

/// The columns of an event as text, in the order in which they are hashed. Events without commitments are older than these.
macro_rules! column_values {
    () => {
        "ARRAY[e.id::text, ((extract(epoch FROM e.at) * 1000000)::bigint)::text, e.actor_kind, e.actor_id::text, \
         e.actor_owner_id::text, e.session_id::text, e.action, e.subject_kind, e.subject_id, e.user_id::text, \
         e.outcome, e.code, e.reason, e.before::text, e.after::text, e.trace_id] \
         || CASE WHEN e.actor_commitment IS NULL THEN '{}' ELSE ARRAY[encode(e.actor_commitment, 'hex'), \
         encode(e.actor_name_commitment, 'hex'), encode(e.subject_commitment, 'hex')] END"
    };
}

/// Whether the personal data of an event is what the event committed to. Erased data is accepted if its user is gone: then
/// only the name of the actor remains.
macro_rules! is_personal_data_valid {
    () => {
        "e.actor_commitment IS NULL OR ( \
           NOT EXISTS (SELECT FROM audit_personal_data p WHERE p.event_id = e.id AND NOT coalesce( \
             CASE WHEN p.participant = 'subject' \
               THEN audit_commitment(p.salt, p.user_id, p.data) = e.subject_commitment \
               ELSE audit_commitment(p.name_salt, p.user_id, p.data -> 'name'::text) = e.actor_name_commitment \
                AND CASE WHEN p.erased_at IS NULL \
                  THEN audit_commitment(p.salt, p.user_id, p.data - 'name'::text) = e.actor_commitment \
                  ELSE p.data - 'name'::text = '{}' AND NOT EXISTS (SELECT FROM users u WHERE u.id = p.user_id) END \
             END, false)) \
           AND (EXISTS (SELECT FROM audit_personal_data p WHERE p.event_id = e.id AND p.participant = 'actor') \
             OR e.actor_kind = 'anonymous' AND e.user_id IS NOT NULL AND e.subject_kind IS DISTINCT FROM 'name' \
                AND NOT EXISTS (SELECT FROM users u WHERE u.id = e.user_id)) \
           AND (e.subject_commitment IS NULL \
             OR EXISTS (SELECT FROM audit_personal_data p WHERE p.event_id = e.id AND p.participant = 'subject') \
             OR e.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = e.user_id)))"
    };
}

/// An event that is not sealed yet.
#[derive(QueryableByName)]
pub struct UnsealedEventRow {
    #[diesel(sql_type = BigInt)]
    pub queue_id: i64,
    #[diesel(sql_type = SqlUuid)]
    pub event_id: AuditEventId,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    #[diesel(sql_type = Array<Nullable<Text>>)]
    pub column_values: Vec<Option<String>>,
}

/// A row of `audit_chain_links`: the hash and MAC that seal one event at one position.
#[derive(Insertable)]
#[diesel(table_name = audit_chain_links)]
pub struct NewChainLink {
    pub position: i64,
    pub event_id: AuditEventId,
    pub at: DateTime<Utc>,
    pub hash: Vec<u8>,
    pub mac: Vec<u8>,
    pub prune_lock: Vec<u8>,
}

/// A stored seal, joined with the current column values of its event.
#[derive(QueryableByName)]
pub struct SealedEventRow {
    #[diesel(sql_type = BigInt)]
    pub position: i64,
    #[diesel(sql_type = SqlUuid)]
    pub event_id: AuditEventId,
    #[diesel(sql_type = Bytea)]
    pub hash: Vec<u8>,
    #[diesel(sql_type = Bytea)]
    pub mac: Vec<u8>,
    #[diesel(sql_type = Nullable<Array<Nullable<Text>>>)]
    pub column_values: Option<Vec<Option<String>>>,
    #[diesel(sql_type = Bool)]
    pub is_personal_data_valid: bool,
}

/// A position, its hash and the MAC over both.
pub type ChainAnchor = (i64, Vec<u8>, Vec<u8>);

/// Whether there are unsealed events.
pub fn has_unsealed(conn: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        audit_chain_queue::table.select(audit_chain_queue::id),
    ))
    .get_result(conn)
}

/// The oldest unsealed events, in insertion order within a transaction.
pub fn unsealed(conn: &mut PgConnection, rows: i64) -> QueryResult<Vec<UnsealedEventRow>> {
    diesel::sql_query(concat!(
        "SELECT u.id AS queue_id, e.id AS event_id, e.at, ",
        column_values!(),
        " AS column_values FROM audit_chain_queue u JOIN audit_events e ON e.id = u.event_id ORDER BY u.id LIMIT $1"
    ))
    .bind::<BigInt, _>(rows)
    .load(conn)
}

/// Appends seals to the chain and removes their events from the queue of unsealed events.
pub fn seal(
    conn: &mut PgConnection,
    seals: &[NewChainLink],
    queue_ids: &[i64],
) -> QueryResult<usize> {
    diesel::delete(audit_chain_queue::table.filter(audit_chain_queue::id.eq_any(queue_ids)))
        .execute(conn)?;
    diesel::insert_into(audit_chain_links::table)
        .values(seals)
        .execute(conn)
}

/// The newest seal.
pub fn last_seal(conn: &mut PgConnection) -> QueryResult<Option<ChainAnchor>> {
    audit_chain_links::table
        .order(audit_chain_links::position.desc())
        .select((
            audit_chain_links::position,
            audit_chain_links::hash,
            audit_chain_links::mac,
        ))
        .first(conn)
        .optional()
}

/// The start of the chain, if its oldest part was deleted.
pub fn anchor(conn: &mut PgConnection) -> QueryResult<Option<ChainAnchor>> {
    audit_chain_anchors::table
        .order(audit_chain_anchors::position.desc())
        .select((
            audit_chain_anchors::position,
            audit_chain_anchors::hash,
            audit_chain_anchors::mac,
        ))
        .first(conn)
        .optional()
}

/// The links after a position, without their events.
pub fn links(conn: &mut PgConnection, after: i64, rows: i64) -> QueryResult<Vec<ChainAnchor>> {
    audit_chain_links::table
        .filter(audit_chain_links::position.gt(after))
        .order(audit_chain_links::position)
        .limit(rows)
        .select((
            audit_chain_links::position,
            audit_chain_links::hash,
            audit_chain_links::mac,
        ))
        .load(conn)
}

/// Replaces the MACs of these links, and the values with which `prune_audit_log` recognizes the right anchor.
pub fn set_macs(
    conn: &mut PgConnection,
    positions: &[i64],
    macs: &[Vec<u8>],
    prune_locks: &[Vec<u8>],
) -> QueryResult<usize> {
    diesel::sql_query(
        "UPDATE audit_chain_links l SET mac = new.mac, \
                prune_lock = CASE WHEN l.prune_lock IS NULL THEN NULL ELSE new.prune_lock END \
         FROM unnest($1, $2, $3) AS new (position, mac, prune_lock) WHERE l.position = new.position",
    )
    .bind::<Array<BigInt>, _>(positions)
    .bind::<Array<Bytea>, _>(macs)
    .bind::<Array<Bytea>, _>(prune_locks)
    .execute(conn)
}

/// Replaces the MAC of the anchor at this position.
pub fn set_anchor_mac(conn: &mut PgConnection, position: i64, mac: &[u8]) -> QueryResult<usize> {
    diesel::update(audit_chain_anchors::table.find(position))
        .set(audit_chain_anchors::mac.eq(mac))
        .execute(conn)
}

/// The seals after a position.
pub fn sealed(conn: &mut PgConnection, after: i64, rows: i64) -> QueryResult<Vec<SealedEventRow>> {
    diesel::sql_query(concat!(
        "SELECT s.position, s.event_id, s.hash, s.mac, CASE WHEN e.id IS NOT NULL THEN ",
        column_values!(),
        " END AS column_values, ",
        is_personal_data_valid!(),
        " AS is_personal_data_valid FROM audit_chain_links s LEFT JOIN audit_events e ON e.id = s.event_id \
         WHERE s.position > $1 ORDER BY s.position LIMIT $2"
    ))
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(rows)
    .load(conn)
}

/// The number of unsealed events.
pub fn count_unsealed(conn: &mut PgConnection) -> QueryResult<i64> {
    audit_chain_queue::table.count().get_result(conn)
}

/// The first unsealed event whose row is missing.
pub fn first_missing_unsealed(conn: &mut PgConnection) -> QueryResult<Option<AuditEventId>> {
    let event = audit_events::table.filter(audit_events::id.eq(audit_chain_queue::event_id));
    audit_chain_queue::table
        .filter(diesel::dsl::not(diesel::dsl::exists(event)))
        .order(audit_chain_queue::id)
        .select(audit_chain_queue::event_id)
        .first(conn)
        .optional()
}

/// The first event that is neither sealed nor in the queue of unsealed events.
pub fn first_event_outside_chain(conn: &mut PgConnection) -> QueryResult<Option<AuditEventId>> {
    use diesel::dsl::{exists, not};
    let seal = audit_chain_links::table.filter(audit_chain_links::event_id.eq(audit_events::id));
    let queue_entry =
        audit_chain_queue::table.filter(audit_chain_queue::event_id.eq(audit_events::id));
    audit_events::table
        .filter(not(exists(seal)))
        .filter(not(exists(queue_entry)))
        .order((audit_events::at, audit_events::id))
        .select(audit_events::id)
        .first(conn)
        .optional()
}

/// Of the oldest `rows` seals, the last one of the leading run that is older than `before`.
pub fn last_older_than(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    rows: i64,
) -> QueryResult<Option<(i64, Vec<u8>)>> {
    let oldest: Vec<(i64, Vec<u8>, DateTime<Utc>)> = audit_chain_links::table
        .order(audit_chain_links::position)
        .limit(rows)
        .select((
            audit_chain_links::position,
            audit_chain_links::hash,
            audit_chain_links::at,
        ))
        .load(conn)?;
    let old = oldest.into_iter().take_while(|(_, _, at)| *at < before);
    Ok(old.last().map(|(position, hash, _)| (position, hash)))
}

/// Deletes the oldest events up to a position, which becomes the start of the chain. Returns the number of deleted rows.
pub fn delete_up_to(conn: &mut PgConnection, up_to: i64, anchor_mac: &[u8]) -> QueryResult<i64> {
    let call = sql::<BigInt>("prune_audit_log(")
        .bind::<BigInt, _>(up_to)
        .sql(", ")
        .bind::<Bytea, _>(anchor_mac)
        .sql(")");
    diesel::select(call).get_result(conn)
}

/// Deletes every event and returns their number. Only the owner of the tables has this privilege.
pub fn delete_all(conn: &mut PgConnection, anchor: Option<&ChainAnchor>) -> QueryResult<usize> {
    if let Some((position, hash, mac)) = anchor {
        let row = (
            audit_chain_anchors::position.eq(position),
            audit_chain_anchors::hash.eq(hash),
            audit_chain_anchors::mac.eq(mac),
        );
        diesel::insert_into(audit_chain_anchors::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(conn)?;
    }
    diesel::delete(audit_chain_links::table).execute(conn)?;
    diesel::delete(audit_chain_queue::table).execute(conn)?;
    diesel::delete(audit_events::table).execute(conn)
}

/// Disables the statement timeout for the rest of this transaction.
pub fn disable_statement_timeout(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::sql_query("SET LOCAL statement_timeout = 0").execute(conn)
}
