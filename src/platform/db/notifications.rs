//! What other processes changed, as PostgreSQL tells it (`LISTEN`) on a connection of its own. It polls: news come with
//! the answer to a query.

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Integer, Text};

use super::{Invalidation, migrate};
use crate::platform::error::AppError;

/// A connection that listens.
pub struct Notifications {
    conn: PgConnection,
    /// The server process that listens.
    backend: i32,
}

impl Notifications {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub fn open(url: &str) -> Result<Self, AppError> {
        let mut conn = migrate::open(url)?;
        let schema: String =
            diesel::select(diesel::dsl::sql::<Text>("quote_ident(current_schema())"))
                .get_result(&mut conn)?;
        let schema = schema.trim_matches('"');
        conn.batch_execute(&format!(
            "SET statement_timeout = '5s'; SET application_name = 'rosterd listener in {schema}'; LISTEN \"rosterd_{schema}\""
        ))?;
        let backend = diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()"))
            .get_result(&mut conn)?;
        Ok(Self { conn, backend })
    }

    /// Everything that was committed before this began and was not told before. What can't be read stands for everyone.
    ///
    /// # Errors
    /// When the connection is lost, or no longer leads to the server process that listens.
    pub fn ask(&mut self) -> Result<Vec<Invalidation>, AppError> {
        let is_still: bool = diesel::select(
            diesel::dsl::sql::<Bool>("pg_backend_pid() = ")
                .bind::<Integer, _>(self.backend)
                .sql(" AND EXISTS (SELECT FROM pg_listening_channels())"),
        )
        .get_result(&mut self.conn)?;
        if !is_still {
            let why = "DATABASE_URL leads through a pooler that does not keep LISTEN";
            return Err(AppError::internal(why));
        }
        let mut heard = Vec::new();
        for notification in self.conn.notifications_iter() {
            heard.push(notification?.payload.parse().unwrap_or(Invalidation::All));
        }
        Ok(heard)
    }
}
