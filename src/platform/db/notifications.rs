//! Receives the invalidations of other processes (`LISTEN`) on a dedicated connection. The connection is polled, because
//! libpq delivers notifications together with the result of a query.

use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Integer};
use uuid::Uuid;

use super::connection::open_unpooled_connection;
use super::table_schema::{TableSchema, quote_identifier, quote_literal};
use super::{HeartbeatWriter, Invalidation};
use crate::platform::error::AppError;

/// A connection that listens for invalidations.
pub struct NotificationListener {
    conn: PgConnection,
    /// The process id of the server process that executed `LISTEN`.
    backend_pid: i32,
}

impl NotificationListener {
    /// Opens a connection and starts to listen to the triggers of this schema.
    ///
    /// # Errors
    /// Database errors.
    pub fn open(url: &str, schema: &TableSchema) -> Result<Self, AppError> {
        let mut conn = open_unpooled_connection(url)?;
        let application_name = quote_literal(&format!("rosterd listener in {}", schema.name()));
        let channel = quote_identifier(&schema.channel());
        conn.batch_execute(&format!(
            "SET statement_timeout = '5s'; SET application_name = {application_name}; LISTEN {channel}"
        ))?;
        let backend_pid = diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()"))
            .get_result(&mut conn)?;
        Ok(Self { conn, backend_pid })
    }

    /// Returns the invalidations that were committed before this call and not returned before. A payload that cannot be
    /// parsed counts as [`Invalidation::All`].
    ///
    /// # Errors
    /// Database errors. An error, too, if a connection pooler has switched to another server process, which does not
    /// listen.
    pub fn poll(&mut self) -> Result<Vec<Invalidation>, AppError> {
        let is_listening: bool = diesel::select(
            diesel::dsl::sql::<Bool>("pg_backend_pid() = ")
                .bind::<Integer, _>(self.backend_pid)
                .sql(" AND EXISTS (SELECT FROM pg_listening_channels())"),
        )
        .get_result(&mut self.conn)?;
        if !is_listening {
            let reason = "the pooler in DATABASE_URL does not support LISTEN: use session mode, connect to PostgreSQL directly, or set ROSTERD_DB_LISTEN_URL";
            return Err(AppError::internal(reason));
        }
        let mut invalidations = Vec::new();
        for notification in self.conn.notifications_iter() {
            invalidations.push(notification?.payload.parse().unwrap_or(Invalidation::All));
        }
        Ok(invalidations)
    }
}

/// Changes a row on a connection to `url` and reports whether the notification arrives on one to `listen_url` within two seconds.
///
/// # Errors
/// Database errors.
pub fn check_delivery(url: &str, listen_url: &str, schema: &TableSchema) -> Result<bool, AppError> {
    let mut listener = NotificationListener::open(listen_url, schema)?;
    let mut writer = HeartbeatWriter::open(url, schema, Uuid::new_v4())?;
    let expected = Invalidation::Principal(writer.next_announcement());
    let sent = writer.send();
    let sent_at = Instant::now();
    let mut is_delivered = false;
    while sent.is_ok() && !is_delivered && sent_at.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(10));
        is_delivered = listener.poll()?.contains(&expected);
    }
    writer.remove()?;
    sent.map(|()| is_delivered)
}
