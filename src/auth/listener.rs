//! The thread that hears what changed, from whatever process changed it, and makes [`Memory`] forget it.

use std::sync::Weak;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Integer, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::Memory;
use crate::db::{Touched, migrate};

/// How often the listener asks for news. News is late by at most this, and memory's lease allows for a few misses.
const EVERY: Duration = Duration::from_millis(15);

/// How long to wait before connecting again.
const PATIENCE: Duration = Duration::from_millis(250);

/// Listens on a connection of its own until `memory` is gone; `on_keys` is told when the signing keys changed, and after
/// each gap in the news, `on_answer` whenever the database has answered, which it does all the time.
///
/// # Errors
/// When the thread can't be started.
pub fn listen(
    url: String,
    memory: Weak<Memory>,
    on_keys: impl Fn() + Send + 'static,
    on_answer: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("listener".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            while memory.strong_count() > 0 {
                if let Err(error) = hear(&url, &memory, &on_keys, &on_answer) {
                    tracing::debug!(
                        error,
                        "no news from the database; answers come from the database itself"
                    );
                }
                if let Some(memory) = memory.upgrade() {
                    memory.lost_touch();
                }
                std::thread::sleep(PATIENCE);
            }
        })?;
    Ok(())
}

fn hear(
    url: &str,
    memory: &Weak<Memory>,
    on_keys: &impl Fn(),
    on_answer: &impl Fn(),
) -> Result<(), String> {
    let mut conn = migrate::open(url).map_err(|error| error.to_string())?;
    let backend = begin(&mut conn).map_err(|error| error.to_string())?;
    if let Some(memory) = memory.upgrade() {
        memory.lost_touch();
    }
    on_keys();
    loop {
        let asked = Instant::now();
        let is_still = is_still(&mut conn, backend).map_err(|error| error.to_string())?;
        on_answer();
        if !is_still {
            return Err("DATABASE_URL leads through a pooler that does not keep LISTEN".to_owned());
        }
        let Some(memory) = memory.upgrade() else {
            return Ok(());
        };
        for notification in conn.notifications_iter() {
            let notification = notification.map_err(|error| error.to_string())?;
            match notification.payload.parse() {
                Ok(Touched::Keys) => on_keys(),
                Ok(touched) => memory.forget(touched),
                Err(()) => memory.forget(Touched::Everyone),
            }
        }
        memory.heard_up_to(asked);
        drop(memory);
        std::thread::sleep(EVERY);
    }
}

/// Begins to listen; the number of the server process that does.
fn begin(conn: &mut PgConnection) -> QueryResult<i32> {
    let schema: String = diesel::select(diesel::dsl::sql::<Text>("quote_ident(current_schema())"))
        .get_result(conn)?;
    let schema = schema.trim_matches('"');
    conn.batch_execute(&format!(
        "SET statement_timeout = '5s'; SET application_name = 'rosterd listener in {schema}'; LISTEN \"rosterd_{schema}\""
    ))?;
    diesel::select(diesel::dsl::sql::<Integer>("pg_backend_pid()")).get_result(conn)
}

/// Asks for news. Its answer brings them, and tells whether the server process that listens is still the one that answers.
fn is_still(conn: &mut PgConnection, backend: i32) -> QueryResult<bool> {
    diesel::select(
        diesel::dsl::sql::<Bool>("pg_backend_pid() = ")
            .bind::<Integer, _>(backend)
            .sql(" AND EXISTS (SELECT FROM pg_listening_channels())"),
    )
    .get_result(conn)
}
