//! Queries on failure counters, sources and recognized sources. To avoid deadlocks, counters are always locked before sources.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{
    Array, Bool, Integer, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use uuid::Uuid;

use crate::platform::db::{PreparedStatement, delete_batch};
use crate::schema::{rate_limit_counters, rate_limit_known_sources, rate_limit_sources};

/// The primary key of a failure counter.
#[derive(Clone, Copy)]
pub struct CounterKey {
    /// The account, the unknown username, or the devices of an account.
    pub target: Uuid,
    pub is_trusted: bool,
}

/// The limits that [`request_slot`] applies.
pub struct SlotLimits {
    pub max_in_flight: i32,
    pub recognition_period: TimeDelta,
    /// For callers without a session, device or source of the account.
    pub source_quota: i32,
    /// For all other callers.
    pub known_source_quota: i32,
    pub source_window: TimeDelta,
    /// The keys of the networks around the source, and their quotas in the same order.
    pub networks: (Vec<String>, Vec<i32>),
    /// How many failures of one source are also charged to its networks.
    pub network_share: i32,
}

/// The result of [`request_slot`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent column of the result"
)]
#[derive(QueryableByName)]
pub struct SlotRow {
    #[diesel(sql_type = Bool)]
    pub is_device: bool,
    #[diesel(sql_type = Bool)]
    pub is_trusted: bool,
    /// `None` if the counter has no free slot.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// Whether the source's budget allows the attempt.
    #[diesel(sql_type = Bool)]
    pub is_source_allowed: bool,
    /// Whether the networks around the source were charged too.
    #[diesel(sql_type = Bool)]
    pub are_networks_charged: bool,
}

/// Reserves a slot in a failure counter and charges the source and its networks, if all limits allow it. The networks are
/// checked and charged only for callers without a session, device or source of the account. Parallel attempts can exceed
/// the quota of a network by their number.
///
/// The devices' counter is used while it is not blocked; then the source is not charged. This is one statement, and its
/// commit does not wait for the disk: a crash of the database loses at most a fraction of a second of attempts.
pub fn request_slot(
    conn: &mut PgConnection,
    target: Uuid,
    is_trusted: bool,
    devices: Option<Uuid>,
    source: &str,
    limits: &SlotLimits,
) -> QueryResult<SlotRow> {
    let statement = diesel::sql_query(
        "WITH device AS ( \
           SELECT $8 IS NOT NULL AND NOT EXISTS (SELECT FROM rate_limit_counters \
             WHERE target = $8 AND is_trusted AND blocked_until > now()) AS is_device \
         ), known AS ( \
           SELECT is_device, CASE WHEN is_device THEN $8 ELSE $1 END AS target, \
             $2 OR is_device OR EXISTS (SELECT FROM rate_limit_known_sources \
               WHERE user_id = $1 AND source = $3 AND last_seen_at > now() - $4) AS is_trusted FROM device \
         ), network AS ( \
           SELECT key, quota, position FROM known, unnest($9, $10) WITH ORDINALITY AS network (key, quota, position) \
           WHERE NOT is_trusted \
         ), slot AS ( \
           INSERT INTO rate_limit_counters AS counter (target, is_trusted, max_in_flight, attempts_in_flight) \
           SELECT target, is_trusted, $5, ARRAY[clock_timestamp()] FROM known \
           WHERE NOT EXISTS (SELECT FROM network JOIN rate_limit_sources AS full_network ON full_network.source = key \
             WHERE full_network.window_ends_at > now() AND full_network.quota_used >= quota) \
           ON CONFLICT (target, is_trusted) DO UPDATE \
             SET attempts_in_flight = counter.attempts_in_flight || clock_timestamp(), last_attempt_at = now() \
             WHERE counter.blocked_until <= now() AND cardinality(counter.attempts_in_flight) < counter.max_in_flight \
           RETURNING attempts_in_flight[cardinality(attempts_in_flight)] AS started_at \
         ), charge AS ( \
           INSERT INTO rate_limit_sources AS source (source, quota_used, window_ends_at) SELECT $3, 1, now() + $7 FROM slot, known WHERE NOT is_device \
           ON CONFLICT (source) DO UPDATE SET \
             quota_used = CASE WHEN source.window_ends_at > now() THEN source.quota_used + 1 ELSE 1 END, \
             window_ends_at = CASE WHEN source.window_ends_at > now() THEN source.window_ends_at ELSE excluded.window_ends_at END \
             WHERE source.quota_used < (SELECT CASE WHEN is_trusted THEN $12 ELSE $6 END FROM known) OR source.window_ends_at <= now() \
           RETURNING quota_used \
         ), network_charge AS ( \
           INSERT INTO rate_limit_sources AS source (source, quota_used, window_ends_at) \
           SELECT key, 1, now() + $7 FROM network, charge WHERE charge.quota_used <= $11 ORDER BY position \
           ON CONFLICT (source) DO UPDATE SET \
             quota_used = CASE WHEN source.window_ends_at > now() THEN source.quota_used + 1 ELSE 1 END, \
             window_ends_at = CASE WHEN source.window_ends_at > now() THEN source.window_ends_at ELSE excluded.window_ends_at END \
           RETURNING 1 \
         ) \
         SELECT is_device, is_trusted, started_at, is_device OR EXISTS (SELECT FROM charge) AS is_source_allowed, \
           EXISTS (SELECT FROM network_charge) AS are_networks_charged, \
           set_config('synchronous_commit', 'off', true) \
         FROM known LEFT JOIN slot ON true",
    )
    .bind::<SqlUuid, _>(target)
    .bind::<Bool, _>(is_trusted)
    .bind::<Text, _>(source)
    .bind::<Interval, _>(limits.recognition_period)
    .bind::<Integer, _>(limits.max_in_flight)
    .bind::<Integer, _>(limits.source_quota)
    .bind::<Interval, _>(limits.source_window)
    .bind::<Nullable<SqlUuid>, _>(devices)
    .bind::<Array<Text>, _>(&limits.networks.0)
    .bind::<Array<Integer>, _>(&limits.networks.1)
    .bind::<Integer, _>(limits.network_share)
    .bind::<Integer, _>(limits.known_source_quota);
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
    /// The source and the networks that were charged for the attempt.
    pub charged: &'a [String],
}

/// Resets the failures of an account, releases the slot, refunds the source and its networks, and remembers the source as known. One
/// statement, whose commit does not wait for the disk, as in [`request_slot`].
pub fn record_success(
    conn: &mut PgConnection,
    attempt: &SuccessfulAttempt<'_>,
    max_in_flight: i32,
) -> QueryResult<usize> {
    let statement = diesel::sql_query(
        "WITH locked AS ( \
           SELECT target, is_trusted FROM rate_limit_counters WHERE target IN ($1, $2) ORDER BY target, is_trusted FOR UPDATE \
         ), reset AS ( \
           UPDATE rate_limit_counters AS counter SET failures = 0, max_in_flight = $7, blocked_until = 'epoch', refusal_audited_at = NULL, \
             last_attempt_at = now(), \
             attempts_in_flight = CASE WHEN counter.target = $3 AND counter.is_trusted = $4 THEN array_remove(attempts_in_flight, $5) ELSE attempts_in_flight END \
           FROM locked WHERE counter.target = locked.target AND counter.is_trusted = locked.is_trusted \
           RETURNING set_config('synchronous_commit', 'off', true) \
         ), charged AS ( \
           SELECT source.source FROM unnest($8) WITH ORDINALITY AS key (source, position) \
             JOIN rate_limit_sources AS source USING (source) \
           WHERE quota_used > 0 AND window_ends_at > now() AND (SELECT count(*) FROM reset) >= 0 \
           ORDER BY position FOR UPDATE OF source \
         ), refund AS ( \
           UPDATE rate_limit_sources AS source SET quota_used = source.quota_used - 1 \
           FROM charged WHERE source.source = charged.source AND source.quota_used > 0 \
           RETURNING 1 \
         ) \
         INSERT INTO rate_limit_known_sources AS known (user_id, source, last_seen_at) \
         SELECT $1, $6, now() WHERE (SELECT count(*) FROM refund) >= 0 \
         ON CONFLICT (user_id, source) DO UPDATE SET last_seen_at = excluded.last_seen_at \
           WHERE known.last_seen_at < excluded.last_seen_at - interval '1 day'",
    )
    .bind::<SqlUuid, _>(attempt.target)
    .bind::<SqlUuid, _>(attempt.devices)
    .bind::<SqlUuid, _>(attempt.counter.target)
    .bind::<Bool, _>(attempt.counter.is_trusted)
    .bind::<Timestamptz, _>(attempt.started_at)
    .bind::<Text, _>(attempt.source)
    .bind::<Integer, _>(max_in_flight)
    .bind::<Array<Text>, _>(attempt.charged);
    PreparedStatement(statement).execute(conn)
}

/// A failure counter.
#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = rate_limit_counters, treat_none_as_null = true)]
pub struct FailureCounterRow {
    pub failures: i32,
    pub max_in_flight: i32,
    pub blocked_until: DateTime<Utc>,
    /// The start times of the attempts in flight.
    pub attempts_in_flight: Vec<DateTime<Utc>>,
    /// When a refused attempt was last recorded in the audit log.
    pub refusal_audited_at: Option<DateTime<Utc>>,
    pub last_attempt_at: DateTime<Utc>,
}

/// Reads a counter and locks it until the transaction ends.
pub fn lock_counter(
    conn: &mut PgConnection,
    key: CounterKey,
) -> QueryResult<Option<FailureCounterRow>> {
    rate_limit_counters::table
        .find((key.target, key.is_trusted))
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
    diesel::update(rate_limit_counters::table.find((key.target, key.is_trusted)))
        .set(row)
        .execute(conn)
}

/// Removes an attempt from the attempts in flight.
pub fn release_slot(
    conn: &mut PgConnection,
    key: CounterKey,
    started_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(rate_limit_counters::table.find((key.target, key.is_trusted)))
        .set(
            rate_limit_counters::attempts_in_flight.eq(diesel::dsl::array_remove(
                rate_limit_counters::attempts_in_flight,
                started_at,
            )),
        )
        .execute(conn)
}

/// What a source has used of its budget in the current window.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = rate_limit_sources)]
pub struct SourceUsageRow {
    pub quota_used: i32,
    pub window_ends_at: DateTime<Utc>,
    /// When a refused attempt was last recorded in the audit log.
    pub refusal_audited_at: Option<DateTime<Utc>>,
}

/// Reads a source and locks it until the transaction ends.
pub fn lock_source(conn: &mut PgConnection, source: &str) -> QueryResult<Option<SourceUsageRow>> {
    rate_limit_sources::table
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
        "INSERT INTO rate_limit_sources AS source (source, quota_used, window_ends_at) VALUES ($1, 1, $3) \
         ON CONFLICT (source) DO UPDATE SET \
           quota_used = CASE WHEN source.window_ends_at > $2 THEN source.quota_used + 1 ELSE 1 END, \
           refusal_audited_at = CASE WHEN source.window_ends_at > $2 THEN source.refusal_audited_at END, \
           window_ends_at = CASE WHEN source.window_ends_at > $2 THEN source.window_ends_at ELSE $3 END \
         RETURNING quota_used, window_ends_at, refusal_audited_at",
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
    diesel::update(rate_limit_sources::table.find(source))
        .set(rate_limit_sources::refusal_audited_at.eq(now))
        .execute(conn)
}

/// Takes back one charge, if the source's window has not ended.
pub fn refund_source(
    conn: &mut PgConnection,
    source: &str,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        rate_limit_sources::table
            .find(source)
            .filter(rate_limit_sources::quota_used.gt(0))
            .filter(rate_limit_sources::window_ends_at.gt(now)),
    )
    .set(rate_limit_sources::quota_used.eq(rate_limit_sources::quota_used - 1))
    .execute(conn)
}

pub fn delete_counters(conn: &mut PgConnection, targets: &[Uuid]) -> QueryResult<usize> {
    diesel::delete(rate_limit_counters::table.filter(rate_limit_counters::target.eq_any(targets)))
        .execute(conn)
}

/// Deletes the sources from which an account signed in.
pub fn delete_known_sources(conn: &mut PgConnection, account: Uuid) -> QueryResult<usize> {
    diesel::delete(
        rate_limit_known_sources::table.filter(rate_limit_known_sources::user_id.eq(account)),
    )
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
    const OF_UNKNOWN_USERNAME: &str = "last_attempt_at < $1 \
        AND NOT EXISTS (SELECT FROM users WHERE users.id = rate_limit_counters.target)";
    const IDLE: &str = "failures = 0 AND last_attempt_at < $1";
    let counters = "rate_limit_counters";
    Ok(delete_batch(conn, counters, IDLE, cutoffs.idle_counters)?
        + delete_batch(
            conn,
            counters,
            OF_UNKNOWN_USERNAME,
            cutoffs.unknown_username_counters,
        )?
        + delete_batch(
            conn,
            "rate_limit_sources",
            "window_ends_at < $1",
            cutoffs.source_windows,
        )?
        + delete_batch(
            conn,
            "rate_limit_known_sources",
            "last_seen_at < $1",
            cutoffs.known_sources,
        )?)
}
