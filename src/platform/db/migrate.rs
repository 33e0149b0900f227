//! Applies the schema migrations, which are compiled into the program. Replicas that start at the same time apply them
//! once. Each migration is safe on a live table: expand first, contract in a later release.

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{RunQueryDsl, connection::SimpleConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{open_own_session, open_unpooled_connection};
use super::server_guard::ServerGuard;
use super::table_schema::TableSchema;
use crate::platform::error::AppError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The difference between the schema and the migrations of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationPlan {
    /// The names of the migrations that are not applied yet, oldest first.
    pub pending: Vec<String>,
    /// The versions that are applied but not part of this program, because it is of an older release.
    pub unknown: Vec<String>,
}

/// Compares the schema in the database at `url` with the migrations of this program.
///
/// # Errors
/// Database errors.
pub fn plan_at(url: &str) -> Result<MigrationPlan, AppError> {
    let mut conn = open_unpooled_connection(url)?;
    // In a transaction, because behind a pooler the next statement may run in another session.
    AnsiTransactionManager::begin_transaction_sql(&mut conn, "BEGIN")?;
    let schema = TableSchema::find_or_choose(&mut conn)?;
    conn.batch_execute(&format!(
        "SET LOCAL search_path TO {}",
        schema.search_path()
    ))?;
    let plan = plan(&mut conn)?;
    AnsiTransactionManager::commit_transaction(&mut conn)?;
    Ok(plan)
}

/// Compares the schema with the migrations of this program. The search path of the connection leads to the tables.
///
/// # Errors
/// Database errors.
pub fn plan(conn: &mut PgConnection) -> Result<MigrationPlan, AppError> {
    use diesel::migration::{Migration, MigrationSource};
    let known: Vec<Box<dyn Migration<diesel::pg::Pg>>> =
        MIGRATIONS.migrations().map_err(AppError::internal)?;
    let applied = applied_versions(conn)?;
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
    Ok(MigrationPlan { pending, unknown })
}

/// Applies the pending migrations under an advisory lock and returns their names. The lock is polled: a statement that
/// waits for the lock holds a snapshot, and `CREATE INDEX CONCURRENTLY` in the replica that has the lock would wait for
/// that snapshot. `listen_url` leads to the same database, but not to a pooler.
///
/// # Errors
/// There are pending migrations, and `listen_url`, or `url` without it, leads to a pooler; database errors. Migrations that were
/// applied before the error stay applied.
pub fn run(
    url: &str,
    listen_url: Option<&str>,
    progress: &dyn Fn(&str),
) -> Result<Vec<String>, AppError> {
    if plan_at(url)?.pending.is_empty() {
        return Ok(Vec::new());
    }
    let guard = ServerGuard::default();
    let Some((mut conn, _)) = open_own_session(listen_url.unwrap_or(url), &guard)? else {
        let reason = "pending migrations need a connection without a pooler: set ROSTERD_DB_LISTEN_URL to one";
        return Err(AppError::internal(reason));
    };
    let mut is_reported = false;
    while !try_lock(&mut conn)? {
        if !std::mem::replace(&mut is_reported, true) {
            progress("another rosterd process is migrating the database; waiting for it");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    use_table_schema(&mut conn)?;
    let plan = plan(&mut conn)?;
    if !plan.pending.is_empty() {
        progress(&format!(
            "migrating the database ({} migrations)",
            plan.pending.len()
        ));
    }
    apply_unlocked(&mut conn)?;
    Ok(plan.pending)
}

/// Applies the pending migrations without the lock, for a schema that no other process uses.
///
/// # Errors
/// Database errors.
pub fn apply_unlocked(conn: &mut PgConnection) -> Result<(), AppError> {
    conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = '10s'")?;
    conn.run_pending_migrations(MIGRATIONS)
        .map(drop)
        .map_err(AppError::internal)
}

/// The applied versions, empty if no migration was ever applied. Diesel's `applied_migrations` creates its table first,
/// which a role without DDL privileges cannot do.
fn applied_versions(conn: &mut PgConnection) -> Result<Vec<String>, AppError> {
    let table_exists = sql::<Bool>(
        "to_regclass(quote_ident(current_schema()) || '.__diesel_schema_migrations') IS NOT NULL",
    );
    if !diesel::select(table_exists).get_result(conn)? {
        return Ok(Vec::new());
    }
    let versions = sql::<Text>("SELECT version FROM __diesel_schema_migrations ORDER BY version");
    Ok(versions.load(conn)?)
}

/// Sets the search path of the connection to the schema of the tables, or to the one in which they will be created.
fn use_table_schema(conn: &mut PgConnection) -> Result<(), AppError> {
    let schema = TableSchema::find_or_choose(conn)?;
    Ok(conn.batch_execute(&format!("SET search_path TO {}", schema.search_path()))?)
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
