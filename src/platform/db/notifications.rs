//! Receives the invalidations of other processes (`LISTEN`) on a dedicated connection. The connection is polled, because
//! libpq delivers notifications together with the result of a query.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Integer, Text};

use super::Invalidation;
use super::connection::open_unpooled_connection;
use crate::platform::error::AppError;

/// A connection that listens for invalidations.
pub struct NotificationListener {
    conn: PgConnection,
    /// The process id of the server process that executed `LISTEN`.
    backend_pid: i32,
}

impl NotificationListener {
    /// Opens a connection and starts to listen.
    ///
    /// # Errors
    /// Database errors.
    pub fn open(url: &str) -> Result<Self, AppError> {
        let mut conn = open_unpooled_connection(url)?;
        let schema: String =
            diesel::select(diesel::dsl::sql::<Text>("quote_ident(current_schema())"))
                .get_result(&mut conn)?;
        let schema = schema.trim_matches('"');
        conn.batch_execute(&format!(
            "SET statement_timeout = '5s'; SET application_name = 'rosterd listener in {schema}'; LISTEN \"rosterd_{schema}\""
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
            let reason = "the pooler in DATABASE_URL does not support LISTEN: use session mode or connect to PostgreSQL directly";
            return Err(AppError::internal(reason));
        }
        let mut invalidations = Vec::new();
        for notification in self.conn.notifications_iter() {
            invalidations.push(notification?.payload.parse().unwrap_or(Invalidation::All));
        }
        Ok(invalidations)
    }
}
