//! Queries on failure counters, sources and recognized sources. To avoid deadlocks, counters are always locked before sources.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::platform::db::PreparedStatement;
use crate::schema::{throttle_places, throttle_sources, throttle_tallies, users};

/// The primary key of a failure counter.
#[derive(Clone, Copy)]
pub struct CounterKey {
    /// The account, the unknown username, or the devices of an account.
    pub target: Uuid,
    pub is_known: bool,
}

/// The limits that [`request_slot`] applies.
pub struct SlotLimits {
    pub max_in_progress: i32,
    pub recognition_period: TimeDelta,
    pub source_quota: i32,
    pub source_window: TimeDelta,
}

/// The result of [`request_slot`].
#[derive(QueryableByName)]
pub struct SlotRow {
    #[diesel(sql_type = Bool)]
    pub is_device: bool,
    #[diesel(sql_type = Bool)]
    pub is_known: bool,
    /// `None` if the counter has no free slot.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// Whether the source's budget allows the attempt.
    #[diesel(sql_type = Bool)]
    pub is_source_allowed: bool,
}

/// Reserves a slot in a failure counter and charges the source, if both limits allow it.
///
/// The devices' counter is used while it is not blocked; then the source is not charged. This is one statement, and its
/// commit does not wait for the disk: a crash of the database loses at most a fraction of a second of attempts.
pub fn request_slot(
    conn: &mut PgConnection,
    target: Uuid,
    is_known: bool,
    devices: Option<Uuid>,
    source: &str,
    limits: &SlotLimits,
) -> QueryResult<SlotRow> {
    let statement = diesel::sql_query(
        "WITH device AS ( \
           SELECT $8 IS NOT NULL AND NOT EXISTS (SELECT FROM throttle_tallies \
             WHERE target = $8 AND is_known AND blocked_until > now()) AS is_device \
         ), known AS ( \
           SELECT is_device, CASE WHEN is_device THEN $8 ELSE $1 END AS target, \
             $2 OR is_device OR EXISTS (SELECT FROM throttle_places \
               WHERE account = $1 AND source = $3 AND seen_at > now() - $4) AS is_known FROM device \
         ), slot AS ( \
           INSERT INTO throttle_tallies AS counter (target, is_known, room, begun) \
           SELECT target, is_known, $5, ARRAY[clock_timestamp()] FROM known \
           ON CONFLICT (target, is_known) DO UPDATE \
             SET begun = counter.begun || clock_timestamp(), touched_at = now() \
             WHERE counter.blocked_until <= now() AND cardinality(counter.begun) < counter.room \
           RETURNING begun[cardinality(begun)] AS started_at \
         ), charge AS ( \
           INSERT INTO throttle_sources AS source (source, used, ends_at) SELECT $3, 1, now() + $7 FROM slot, known WHERE NOT is_device \
           ON CONFLICT (source) DO UPDATE SET \
             used = CASE WHEN source.ends_at > now() THEN source.used + 1 ELSE 1 END, \
             ends_at = CASE WHEN source.ends_at > now() THEN source.ends_at ELSE excluded.ends_at END \
             WHERE source.used < $6 OR source.ends_at <= now() \
           RETURNING 1 \
         ) \
         SELECT is_device, is_known, started_at, is_device OR EXISTS (SELECT FROM charge) AS is_source_allowed, \
           set_config('synchronous_commit', 'off', true) \
         FROM known LEFT JOIN slot ON true",
    )
    .bind::<SqlUuid, _>(target)
    .bind::<Bool, _>(is_known)
    .bind::<Text, _>(source)
    .bind::<Interval, _>(limits.recognition_period)
    .bind::<Integer, _>(limits.max_in_progress)
    .bind::<Integer, _>(limits.source_quota)
    .bind::<Interval, _>(limits.source_window)
    .bind::<Nullable<SqlUuid>, _>(devices);
    PreparedStatement(statement).get_result(conn)
}

/// An attempt with the correct password.
pub struct SuccessfulAttempt<'a> {
    pub target: Uuid,
    /// The counter target of the account's devices.
    pub devices: Uuid,
    /// The counter that the attempt holds a slot in.
    pub counter: CounterKey,
    pub started_at: DateTime<Utc>,
    pub source: &'a str,
    /// Whether the source was charged for the attempt.
    pub is_charged: bool,
}

/// Resets the failures of an account, releases the slot, refunds the source and remembers the source as known. One
/// statement, whose commit does not wait for the disk, as in [`request_slot`].
pub fn record_success(
    conn: &mut PgConnection,
    attempt: &SuccessfulAttempt<'_>,
    max_in_progress: i32,
) -> QueryResult<usize> {
    let statement = diesel::sql_query(
        "WITH locked AS ( \
           SELECT target, is_known FROM throttle_tallies WHERE target IN ($1, $2) ORDER BY target, is_known FOR UPDATE \
         ), reset AS ( \
           UPDATE throttle_tallies AS counter SET failures = 0, room = $7, blocked_until = 'epoch', told_at = NULL, \
             touched_at = now(), \
             begun = CASE WHEN counter.target = $3 AND counter.is_known = $4 THEN array_remove(begun, $5) ELSE begun END \
           FROM locked WHERE counter.target = locked.target AND counter.is_known = locked.is_known \
           RETURNING set_config('synchronous_commit', 'off', true) \
         ), refund AS ( \
           UPDATE throttle_sources SET used = used - 1 \
           WHERE $8 AND source = $6 AND used > 0 AND ends_at > now() AND (SELECT count(*) FROM reset) >= 0 \
           RETURNING 1 \
         ) \
         INSERT INTO throttle_places AS known (account, source, seen_at) \
         SELECT $1, $6, now() WHERE (SELECT count(*) FROM refund) >= 0 \
         ON CONFLICT (account, source) DO UPDATE SET seen_at = excluded.seen_at \
           WHERE known.seen_at < excluded.seen_at - interval '1 day'",
    )
    .bind::<SqlUuid, _>(attempt.target)
    .bind::<SqlUuid, _>(attempt.devices)
    .bind::<SqlUuid, _>(attempt.counter.target)
    .bind::<Bool, _>(attempt.counter.is_known)
    .bind::<Timestamptz, _>(attempt.started_at)
    .bind::<Text, _>(attempt.source)
    .bind::<Integer, _>(max_in_progress)
    .bind::<Bool, _>(attempt.is_charged);
    PreparedStatement(statement).execute(conn)
}

/// A failure counter.
#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = throttle_tallies, treat_none_as_null = true)]
pub struct FailureCounterRow {
    pub failures: i32,
    #[diesel(column_name = room)]
    pub max_in_progress: i32,
    pub blocked_until: DateTime<Utc>,
    /// The start times of the attempts in progress.
    #[diesel(column_name = begun)]
    pub in_progress: Vec<DateTime<Utc>>,
    /// When a refused attempt was last recorded in the audit log.
    #[diesel(column_name = told_at)]
    pub audited_at: Option<DateTime<Utc>>,
    #[diesel(column_name = touched_at)]
    pub updated_at: DateTime<Utc>,
}

/// Reads a counter and locks it until the transaction ends.
pub fn lock_counter(
    conn: &mut PgConnection,
    key: CounterKey,
) -> QueryResult<Option<FailureCounterRow>> {
    throttle_tallies::table
        .find((key.target, key.is_known))
        .select(FailureCounterRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

pub fn update_counter(
    conn: &mut PgConnection,
    key: CounterKey,
    row: &FailureCounterRow,
) -> QueryResult<usize> {
    diesel::update(throttle_tallies::table.find((key.target, key.is_known)))
        .set(row)
        .execute(conn)
}

/// Removes an attempt from the attempts in progress.
pub fn release_slot(
    conn: &mut PgConnection,
    key: CounterKey,
    started_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(throttle_tallies::table.find((key.target, key.is_known)))
        .set(throttle_tallies::begun.eq(diesel::dsl::array_remove(
            throttle_tallies::begun,
            started_at,
        )))
        .execute(conn)
}

/// What a source has used of its budget in the current window.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = throttle_sources)]
pub struct SourceUsageRow {
    pub used: i32,
    #[diesel(column_name = ends_at)]
    pub window_end: DateTime<Utc>,
    /// When a refused attempt was last recorded in the audit log.
    #[diesel(column_name = told_at)]
    pub audited_at: Option<DateTime<Utc>>,
}

/// Reads a source and locks it until the transaction ends.
pub fn lock_source(conn: &mut PgConnection, source: &str) -> QueryResult<Option<SourceUsageRow>> {
    throttle_sources::table
        .find(source)
        .select(SourceUsageRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

/// Charges a source for one failure and returns its usage in the current window.
pub fn charge_source(
    conn: &mut PgConnection,
    source: &str,
    now: DateTime<Utc>,
    new_window_end: DateTime<Utc>,
) -> QueryResult<SourceUsageRow> {
    diesel::sql_query(
        "INSERT INTO throttle_sources AS source (source, used, ends_at) VALUES ($1, 1, $3) \
         ON CONFLICT (source) DO UPDATE SET \
           used = CASE WHEN source.ends_at > $2 THEN source.used + 1 ELSE 1 END, \
           told_at = CASE WHEN source.ends_at > $2 THEN source.told_at END, \
           ends_at = CASE WHEN source.ends_at > $2 THEN source.ends_at ELSE $3 END \
         RETURNING used, ends_at, told_at",
    )
    .bind::<Text, _>(source)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(new_window_end)
    .get_result(conn)
}

/// Stores when a refused attempt of this source was recorded in the audit log.
pub fn set_source_audited(
    conn: &mut PgConnection,
    source: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(throttle_sources::table.find(source))
        .set(throttle_sources::told_at.eq(now))
        .execute(conn)
}

/// Takes back one charge, if the source's window has not ended.
pub fn refund_source(
    conn: &mut PgConnection,
    source: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        throttle_sources::table
            .find(source)
            .filter(throttle_sources::used.gt(0))
            .filter(throttle_sources::ends_at.gt(now)),
    )
    .set(throttle_sources::used.eq(throttle_sources::used - 1))
    .execute(conn)
}

pub fn delete_counters(conn: &mut PgConnection, targets: &[Uuid]) -> QueryResult<usize> {
    diesel::delete(throttle_tallies::table.filter(throttle_tallies::target.eq_any(targets)))
        .execute(conn)
}

/// Deletes the sources from which an account signed in.
pub fn delete_known_sources(conn: &mut PgConnection, account: Uuid) -> QueryResult<usize> {
    diesel::delete(throttle_places::table.filter(throttle_places::account.eq(account)))
        .execute(conn)
}

/// Rows last used before these times are deleted by [`delete_expired`].
pub struct ExpiryCutoffs {
    /// For counters without failures.
    pub idle_counters: DateTime<Utc>,
    /// For counters that belong to no account.
    pub unknown_username_counters: DateTime<Utc>,
    pub known_sources: DateTime<Utc>,
    /// For sources whose window has ended.
    pub source_windows: DateTime<Utc>,
}

/// Deletes expired rows and returns their number.
pub fn delete_expired(conn: &mut PgConnection, cutoffs: &ExpiryCutoffs) -> QueryResult<usize> {
    use diesel::dsl::{exists, not};
    let account = users::table.filter(users::id.eq(throttle_tallies::target));
    let is_idle = throttle_tallies::failures
        .eq(0)
        .and(throttle_tallies::touched_at.lt(cutoffs.idle_counters));
    let is_unknown_username = throttle_tallies::touched_at
        .lt(cutoffs.unknown_username_counters)
        .and(not(exists(account)));
    let counters = throttle_tallies::table.filter(is_idle.or(is_unknown_username));
    let sources =
        throttle_sources::table.filter(throttle_sources::ends_at.lt(cutoffs.source_windows));
    let known_sources =
        throttle_places::table.filter(throttle_places::seen_at.lt(cutoffs.known_sources));
    Ok(diesel::delete(counters).execute(conn)?
        + diesel::delete(sources).execute(conn)?
        + diesel::delete(known_sources).execute(conn)?)
}
