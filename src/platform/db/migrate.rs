//! Brings the schema up to date, once, however many replicas start at the same time.
//! Migrations are compiled in; each is safe on a live table (expand first, contract in a later release).

use std::time::Duration;

use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{Connection, RunQueryDsl, connection::SimpleConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::with_deadlines;
use crate::platform::error::{AppError, Code};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Where the schema stands against this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Migrations not applied yet, oldest first.
    pub pending: Vec<String>,
    /// Migrations that the database has and this program does not know: it is of an older release.
    pub unknown: Vec<String>,
}

/// What [`run`] would do.
///
/// # Errors
/// When the database can't be asked.
pub fn plan(conn: &mut PgConnection) -> Result<Plan, AppError> {
    use diesel::migration::{Migration, MigrationSource};
    let known: Vec<Box<dyn Migration<diesel::pg::Pg>>> =
        MIGRATIONS.migrations().map_err(AppError::internal)?;
    let applied = applied(conn)?;
    let pending = known
        .iter()
        .filter(|migration| !applied.contains(&migration.name().version().to_string()))
        .map(|migration| migration.name().to_string())
        .collect();
    let unknown = applied
        .into_iter()
        .filter(|version| {
            !known
                .iter()
                .any(|migration| migration.name().version().to_string() == *version)
        })
        .collect();
    Ok(Plan { pending, unknown })
}

/// Applies what is pending, under an advisory lock. The lock is polled: a waiting one would hold a snapshot open, and
/// `CREATE INDEX CONCURRENTLY` of the replica that works would wait for it in turn.
///
/// # Errors
/// When the database can't be reached or a migration fails; what was applied before it stays.
pub fn run(url: &str, progress: &dyn Fn(&str)) -> Result<Vec<String>, AppError> {
    let mut conn = open(url)?;
    let mut told = false;
    while !try_lock(&mut conn)? {
        if !std::mem::replace(&mut told, true) {
            progress("another rosterd is migrating the database; waiting for it");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let plan = plan(&mut conn)?;
    if !plan.pending.is_empty() {
        progress(&format!(
            "migrating the database ({} steps)",
            plan.pending.len()
        ));
    }
    apply(&mut conn)?;
    Ok(plan.pending)
}

/// Applies what is pending on this connection, without a lock: for a schema that nobody else can see yet.
///
/// # Errors
/// When a migration fails.
pub fn apply(conn: &mut PgConnection) -> Result<(), AppError> {
    conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = '10s'")?;
    conn.run_pending_migrations(MIGRATIONS)
        .map(drop)
        .map_err(failed)
}

/// Opens a connection of its own, outside the pool.
///
/// # Errors
/// [`Code::DatabaseUnavailable`] when there is none to be had; its detail is libpq's reason, in one line.
pub fn open(url: &str) -> Result<PgConnection, AppError> {
    PgConnection::establish(&with_deadlines(url)).map_err(|cause| {
        let said = cause.to_string();
        let reason = said.lines().next().unwrap_or_default().to_owned();
        AppError::new(Code::DatabaseUnavailable).detail(reason)
    })
}

/// The versions that the database has; none where nothing was ever applied. Diesel's own way to ask would first make
/// its table, which a user who may only read and write can't.
fn applied(conn: &mut PgConnection) -> Result<Vec<String>, AppError> {
    let is_there = sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL");
    if !diesel::select(is_there).get_result(conn)? {
        return Ok(Vec::new());
    }
    let versions = sql::<Text>("SELECT version FROM __diesel_schema_migrations ORDER BY version");
    Ok(versions.load(conn)?)
}

fn try_lock(conn: &mut PgConnection) -> Result<bool, AppError> {
    const MIGRATION_LOCK: i64 = 0x726f_7374_6572_6401;
    Ok(diesel::select(
        sql::<Bool>("pg_try_advisory_lock(")
            .bind::<BigInt, _>(MIGRATION_LOCK)
            .sql(")"),
    )
    .get_result(conn)?)
}

fn failed(cause: Box<dyn std::error::Error + Send + Sync>) -> AppError {
    AppError::internal(cause)
}
