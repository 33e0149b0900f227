//! Queries on tallies, sources and places. Tallies are locked before sources, everywhere, so that nobody waits in a ring.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::platform::db::PreparedStatement;
use crate::schema::{throttle_places, throttle_sources, throttle_tallies, users};

/// What [`begin`] came to.
#[derive(QueryableByName)]
pub struct BegunRow {
    #[diesel(sql_type = Bool)]
    pub is_device: bool,
    #[diesel(sql_type = Bool)]
    pub is_known: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub begun: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    pub is_charged: bool,
}

/// The limits that [`begin`] holds an attempt to.
pub struct Limits {
    pub room: i32,
    pub known_for: TimeDelta,
    pub quota: i32,
    pub window: TimeDelta,
}

/// One line of the tallies.
#[derive(Clone, Copy)]
pub struct Line {
    pub target: Uuid,
    pub is_known: bool,
}

/// Takes a place in the target's tally and charges the source, if both allow it; or in the tally of its devices, which no
/// source is charged for, while their failures are not used up. One statement, whose commit waits for
/// no disk: what a crash of the database forgets is a fraction of a second.
pub fn begin(
    conn: &mut PgConnection,
    target: Uuid,
    is_known: bool,
    devices: Option<Uuid>,
    source: &str,
    limits: &Limits,
) -> QueryResult<BegunRow> {
    let statement = diesel::sql_query(
        "WITH device AS ( \
           SELECT $8 IS NOT NULL AND NOT EXISTS (SELECT FROM throttle_tallies \
             WHERE target = $8 AND is_known AND blocked_until > now()) AS is_device \
         ), known AS ( \
           SELECT is_device, CASE WHEN is_device THEN $8 ELSE $1 END AS target, \
             $2 OR is_device OR EXISTS (SELECT FROM throttle_places \
               WHERE account = $1 AND source = $3 AND seen_at > now() - $4) AS is_known FROM device \
         ), place AS ( \
           INSERT INTO throttle_tallies AS tally (target, is_known, room, begun) \
           SELECT target, is_known, $5, ARRAY[clock_timestamp()] FROM known \
           ON CONFLICT (target, is_known) DO UPDATE \
             SET begun = tally.begun || clock_timestamp(), touched_at = now() \
             WHERE tally.blocked_until <= now() AND cardinality(tally.begun) < tally.room \
           RETURNING begun[cardinality(begun)] AS begun \
         ), charge AS ( \
           INSERT INTO throttle_sources AS source (source, used, ends_at) SELECT $3, 1, now() + $7 FROM place, known WHERE NOT is_device \
           ON CONFLICT (source) DO UPDATE SET \
             used = CASE WHEN source.ends_at > now() THEN source.used + 1 ELSE 1 END, \
             ends_at = CASE WHEN source.ends_at > now() THEN source.ends_at ELSE excluded.ends_at END \
             WHERE source.used < $6 OR source.ends_at <= now() \
           RETURNING 1 \
         ) \
         SELECT is_device, is_known, begun, is_device OR EXISTS (SELECT FROM charge) AS is_charged, \
           set_config('synchronous_commit', 'off', true) \
         FROM known LEFT JOIN place ON true",
    )
    .bind::<SqlUuid, _>(target)
    .bind::<Bool, _>(is_known)
    .bind::<Text, _>(source)
    .bind::<Interval, _>(limits.known_for)
    .bind::<Integer, _>(limits.room)
    .bind::<Integer, _>(limits.quota)
    .bind::<Interval, _>(limits.window)
    .bind::<Nullable<SqlUuid>, _>(devices);
    PreparedStatement(statement).get_result(conn)
}

/// An attempt with a right password.
pub struct Done<'a> {
    pub target: Uuid,
    /// What the target's devices are counted under.
    pub devices: Uuid,
    /// Where it has its place.
    pub line: Line,
    pub begun: DateTime<Utc>,
    pub source: &'a str,
    /// Whether the source was charged for it.
    pub is_charged: bool,
}

/// Forgets the failures of an account, gives the place and the charge back, and notes from where the owner came. One
/// statement; of its commit the same holds as of [`begin`]'s.
pub fn succeed(conn: &mut PgConnection, done: &Done<'_>, room: i32) -> QueryResult<usize> {
    let statement = diesel::sql_query(
        "WITH held AS ( \
           SELECT target, is_known FROM throttle_tallies WHERE target IN ($1, $2) ORDER BY target, is_known FOR UPDATE \
         ), reset AS ( \
           UPDATE throttle_tallies AS tally SET failures = 0, room = $7, blocked_until = 'epoch', told_at = NULL, \
             touched_at = now(), \
             begun = CASE WHEN tally.target = $3 AND tally.is_known = $4 THEN array_remove(begun, $5) ELSE begun END \
           FROM held WHERE tally.target = held.target AND tally.is_known = held.is_known \
           RETURNING set_config('synchronous_commit', 'off', true) \
         ), refund AS ( \
           UPDATE throttle_sources SET used = used - 1 \
           WHERE $8 AND source = $6 AND used > 0 AND ends_at > now() AND (SELECT count(*) FROM reset) >= 0 \
           RETURNING 1 \
         ) \
         INSERT INTO throttle_places AS place (account, source, seen_at) \
         SELECT $1, $6, now() WHERE (SELECT count(*) FROM refund) >= 0 \
         ON CONFLICT (account, source) DO UPDATE SET seen_at = excluded.seen_at \
           WHERE place.seen_at < excluded.seen_at - interval '1 day'",
    )
    .bind::<SqlUuid, _>(done.target)
    .bind::<SqlUuid, _>(done.devices)
    .bind::<SqlUuid, _>(done.line.target)
    .bind::<Bool, _>(done.line.is_known)
    .bind::<Timestamptz, _>(done.begun)
    .bind::<Text, _>(done.source)
    .bind::<Integer, _>(room)
    .bind::<Bool, _>(done.is_charged);
    PreparedStatement(statement).execute(conn)
}

/// A line of the tally, as decisions are taken from it.
#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = throttle_tallies, treat_none_as_null = true)]
pub struct TallyRow {
    pub failures: i32,
    pub room: i32,
    pub blocked_until: DateTime<Utc>,
    pub begun: Vec<DateTime<Utc>>,
    pub told_at: Option<DateTime<Utc>>,
    pub touched_at: DateTime<Utc>,
}

/// Reads a line and holds it until the transaction ends.
pub fn hold(conn: &mut PgConnection, line: Line) -> QueryResult<Option<TallyRow>> {
    throttle_tallies::table
        .find((line.target, line.is_known))
        .select(TallyRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

pub fn update(conn: &mut PgConnection, line: Line, row: &TallyRow) -> QueryResult<usize> {
    diesel::update(throttle_tallies::table.find((line.target, line.is_known)))
        .set(row)
        .execute(conn)
}

/// Takes an attempt off a line, whatever came of it.
pub fn leave(conn: &mut PgConnection, line: Line, begun: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(throttle_tallies::table.find((line.target, line.is_known)))
        .set(throttle_tallies::begun.eq(diesel::dsl::array_remove(throttle_tallies::begun, begun)))
        .execute(conn)
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = throttle_sources)]
pub struct SourceRow {
    pub used: i32,
    pub ends_at: DateTime<Utc>,
    pub told_at: Option<DateTime<Utc>>,
}

/// Reads a source and holds it until the transaction ends.
pub fn hold_source(conn: &mut PgConnection, source: &str) -> QueryResult<Option<SourceRow>> {
    throttle_sources::table
        .find(source)
        .select(SourceRow::as_select())
        .for_update()
        .first(conn)
        .optional()
}

/// Charges a source for something that failed: what it has used up in this window.
pub fn charge_source(
    conn: &mut PgConnection,
    source: &str,
    now: DateTime<Utc>,
    ends_at: DateTime<Utc>,
) -> QueryResult<SourceRow> {
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
    .bind::<Timestamptz, _>(ends_at)
    .get_result(conn)
}

pub fn told_of_source(
    conn: &mut PgConnection,
    source: &str,
    at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(throttle_sources::table.find(source))
        .set(throttle_sources::told_at.eq(at))
        .execute(conn)
}

/// Gives one charge back, if it was for the window that is open `now`.
pub fn refund(conn: &mut PgConnection, source: &str, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(
        throttle_sources::table
            .find(source)
            .filter(throttle_sources::used.gt(0))
            .filter(throttle_sources::ends_at.gt(now)),
    )
    .set(throttle_sources::used.eq(throttle_sources::used - 1))
    .execute(conn)
}

/// Removes these tallies.
pub fn forget_tallies(conn: &mut PgConnection, targets: &[Uuid]) -> QueryResult<usize> {
    diesel::delete(throttle_tallies::table.filter(throttle_tallies::target.eq_any(targets)))
        .execute(conn)
}

/// Removes from where an account signed in.
pub fn forget_places(conn: &mut PgConnection, account: Uuid) -> QueryResult<usize> {
    diesel::delete(throttle_places::table.filter(throttle_places::account.eq(account)))
        .execute(conn)
}

/// Removes what says nothing any more: tallies without a failure that rested since `idle`, those of names that no account
/// has since `unknown`, places since `places`, and windows that ended before `now`.
pub fn forget_before(
    conn: &mut PgConnection,
    idle: DateTime<Utc>,
    unknown: DateTime<Utc>,
    places: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    use diesel::dsl::{exists, not};
    let account = users::table.filter(users::id.eq(throttle_tallies::target));
    let resting = throttle_tallies::failures
        .eq(0)
        .and(throttle_tallies::touched_at.lt(idle));
    let nobodys = throttle_tallies::touched_at
        .lt(unknown)
        .and(not(exists(account)));
    let mut gone =
        diesel::delete(throttle_tallies::table.filter(resting.or(nobodys))).execute(conn)?;
    gone += diesel::delete(throttle_sources::table.filter(throttle_sources::ends_at.lt(now)))
        .execute(conn)?;
    gone += diesel::delete(throttle_places::table.filter(throttle_places::seen_at.lt(places)))
        .execute(conn)?;
    Ok(gone)
}
