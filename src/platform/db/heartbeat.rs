//! Writes the heartbeat of this replica on a connection of its own. A trigger on the row calls the same function that
//! announces a changed account, so a heartbeat that arrives at the listener shows that invalidations arrive too.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::connection::open_guarded_connection;
use super::server_guard::ServerGuard;
use super::table_schema::{TableSchema, quote_literal};
use super::timeline::{ServerRole, TIMELINE, Timeline};
use crate::platform::clock::OffsetMeasurement;
use crate::platform::error::AppError;

/// The time and the timeline of the database at a heartbeat.
#[derive(QueryableByName)]
struct DatabaseTime {
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
    #[diesel(sql_type = Nullable<BigInt>)]
    timeline: Option<i64>,
}

/// The connection that updates the row of one replica.
pub struct HeartbeatWriter {
    conn: PgConnection,
    guard: Arc<ServerGuard>,
    epoch: u64,
    replica: Uuid,
    /// The value of the column `heartbeat`. The next update announces it.
    current: Uuid,
    /// The qualified name of the table.
    table: String,
}

impl HeartbeatWriter {
    /// Opens a connection, and inserts the row if it does not exist.
    ///
    /// # Errors
    /// Database errors.
    pub fn open(
        url: &str,
        schema: &TableSchema,
        replica: Uuid,
        guard: &Arc<ServerGuard>,
    ) -> Result<Self, AppError> {
        let (mut conn, epoch) = open_guarded_connection(url, guard)?;
        let application_name = quote_literal(&format!("rosterd heartbeat in {}", schema.name()));
        conn.batch_execute(&format!("SET application_name = {application_name}"))?;
        let (table, current) = (schema.table("replicas"), Uuid::new_v4());
        let insert = diesel::sql_query(format!(
            "INSERT INTO {table} (id, heartbeat) VALUES ($1, $2) \
             ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat, last_seen_at = clock_timestamp()"
        ))
        .bind::<SqlUuid, _>(replica)
        .bind::<SqlUuid, _>(current);
        run_without_waiting_for_the_disk(&mut conn, |conn| insert.execute(conn))?;
        Ok(Self {
            conn,
            guard: Arc::clone(guard),
            epoch,
            replica,
            current,
            table,
        })
    }

    /// The id that the next heartbeat announces.
    #[must_use]
    pub const fn next_announcement(&self) -> Uuid {
        self.current
    }

    /// The epoch of the connection. In another epoch, what it returns does not count.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Updates the row, and measures the difference between the clocks of this machine and of the database. Compares the
    /// timeline: behind a pooler, the server of a connection can change.
    ///
    /// # Errors
    /// The row was deleted; the server is not the primary any more; database errors.
    pub fn send(&mut self) -> Result<(), AppError> {
        let next = Uuid::new_v4();
        let highest = self.guard.highest_timeline();
        let timeline = highest.map_or("NULL::bigint", |_| TIMELINE);
        let update = diesel::sql_query(format!(
            "UPDATE {} SET heartbeat = $2, last_seen_at = clock_timestamp() WHERE id = $1 AND heartbeat = $3 \
             RETURNING clock_timestamp() AS now, {timeline} AS timeline",
            self.table
        ))
        .bind::<SqlUuid, _>(self.replica)
        .bind::<SqlUuid, _>(next)
        .bind::<SqlUuid, _>(self.current);
        let mut server_timeline = None;
        let (guard, epoch) = (Arc::clone(&self.guard), self.epoch);
        let update = |conn: &mut PgConnection| {
            let measurement = OffsetMeasurement::begin();
            let updated = update.get_result::<DatabaseTime>(conn).optional()?;
            let Some(time) = updated else {
                return Ok(false);
            };
            if guard.epoch() == epoch {
                measurement.apply(time.now);
            }
            server_timeline = Timeline::from_column(time.timeline);
            Ok(true)
        };
        if !run_without_waiting_for_the_disk(&mut self.conn, update)? {
            return Err(AppError::internal(
                "the row of this replica was changed by another process",
            ));
        }
        self.current = next;
        self.check_server(server_timeline)
    }

    fn check_server(&self, timeline: Option<Timeline>) -> Result<(), AppError> {
        if self.guard.epoch() != self.epoch {
            return Err(AppError::internal("another server is the primary"));
        }
        let role = ServerRole::Primary(timeline);
        let admitted = self.guard.admit(role, self.epoch);
        admitted.map(drop).map_err(|reason| {
            self.guard.suspend();
            AppError::internal(reason)
        })
    }

    /// Deletes the row, because the replica stops.
    ///
    /// # Errors
    /// Database errors.
    pub fn remove(mut self) -> Result<(), AppError> {
        diesel::sql_query(format!("DELETE FROM {} WHERE id = $1", self.table))
            .bind::<SqlUuid, _>(self.replica)
            .execute(&mut self.conn)?;
        Ok(())
    }
}

/// Runs statements in a transaction that does not wait for the disk: a heartbeat that is lost in a crash is not missed. The
/// parameters are those of the transaction, because behind a pooler others use the session too.
fn run_without_waiting_for_the_disk<T>(
    conn: &mut PgConnection,
    run: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    const BEGIN: &str = "BEGIN READ WRITE; SET LOCAL statement_timeout = '5s'; \
        SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL synchronous_commit = off";
    AnsiTransactionManager::begin_transaction_sql(conn, BEGIN)?;
    let result = run(conn)?;
    AnsiTransactionManager::commit_transaction(conn)?;
    Ok(result)
}
