//! Receives the invalidations of other processes (`LISTEN`) on a dedicated connection. The connection is polled, because
//! libpq delivers notifications together with the result of a query.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use uuid::Uuid;

use super::connection::open_own_session;
use super::table_schema::{TableSchema, quote_identifier, quote_literal};
use super::{HeartbeatWriter, Invalidation, ServerGuard};
use crate::platform::error::AppError;

/// A connection that listens for invalidations.
pub struct NotificationListener {
    conn: PgConnection,
    epoch: u64,
}

impl NotificationListener {
    /// Opens a connection and starts to listen to the triggers of this schema.
    ///
    /// # Errors
    /// The URL leads to a pooler; database errors. A pooler in transaction mode would deliver some notifications by chance, so
    /// that even a heartbeat that arrives would prove nothing.
    pub fn open(url: &str, schema: &TableSchema, guard: &ServerGuard) -> Result<Self, AppError> {
        let Some((mut conn, epoch)) = open_own_session(url, guard)? else {
            return Err(AppError::internal(
                "notifications need a connection without a pooler",
            ));
        };
        let application_name = quote_literal(&format!("rosterd listener in {}", schema.name()));
        let channel = quote_identifier(&schema.channel());
        conn.batch_execute(&format!(
            "SET statement_timeout = '5s'; SET application_name = {application_name}; LISTEN {channel}"
        ))?;
        Ok(Self { conn, epoch })
    }

    /// The epoch of the connection. In another epoch, what it returns does not count.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the invalidations that were committed before this call and not returned before. A payload that cannot be
    /// parsed counts as [`Invalidation::All`].
    ///
    /// # Errors
    /// Database errors.
    pub fn poll(&mut self) -> Result<Vec<Invalidation>, AppError> {
        self.conn.batch_execute("SELECT 1")?;
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
    let guard = Arc::new(ServerGuard::default());
    let mut listener = NotificationListener::open(listen_url, schema, &guard)?;
    let mut writer = HeartbeatWriter::open(url, schema, Uuid::new_v4(), &guard)?;
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
