//! Writes the heartbeat of this replica on a connection of its own. A trigger on the row calls the same function that
//! announces a changed account, so a heartbeat that arrives at the listener shows that invalidations arrive too.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

use super::connection::open_unpooled_connection;
use super::table_schema::{TableSchema, quote_literal};
use crate::platform::error::AppError;

/// The connection that updates the row of one replica.
pub struct HeartbeatWriter {
    conn: PgConnection,
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
    pub fn open(url: &str, schema: &TableSchema, replica: Uuid) -> Result<Self, AppError> {
        let mut conn = open_unpooled_connection(url)?;
        let application_name = quote_literal(&format!("rosterd heartbeat in {}", schema.name()));
        // A heartbeat that is lost in a crash is not missed, so it does not wait for the disk.
        conn.batch_execute(&format!(
            "SET statement_timeout = '5s'; SET synchronous_commit = off; SET application_name = {application_name}"
        ))?;
        let (table, current) = (schema.table("replicas"), Uuid::new_v4());
        diesel::sql_query(format!(
            "INSERT INTO {table} (id, heartbeat) VALUES ($1, $2) \
             ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat, last_seen_at = clock_timestamp()"
        ))
        .bind::<SqlUuid, _>(replica)
        .bind::<SqlUuid, _>(current)
        .execute(&mut conn)?;
        Ok(Self {
            conn,
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

    /// Updates the row.
    ///
    /// # Errors
    /// The row was deleted; database errors.
    pub fn send(&mut self) -> Result<(), AppError> {
        let next = Uuid::new_v4();
        let updated = diesel::sql_query(format!(
            "UPDATE {} SET heartbeat = $2, last_seen_at = clock_timestamp() WHERE id = $1 AND heartbeat = $3",
            self.table
        ))
        .bind::<SqlUuid, _>(self.replica)
        .bind::<SqlUuid, _>(next)
        .bind::<SqlUuid, _>(self.current)
        .execute(&mut self.conn)?;
        if updated == 0 {
            return Err(AppError::internal(
                "the row of this replica was changed by another process",
            ));
        }
        self.current = next;
        Ok(())
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
