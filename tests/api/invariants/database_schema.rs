//! The migrations: they produce the tables of `src/schema.rs`, every migration can be reverted, the constraints named in the
//! code exist, and every column has a decision about cache invalidation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::support::Schema;

/// The columns of each table in their order: name and type.
pub type Tables = BTreeMap<String, Vec<(String, String)>>;

/// Columns whose change does not invalidate caches, and why: table, column, reason.
const NOT_INVALIDATING: &[(&str, &str, &str)] = &[
    ("users", "id", "never changes"),
    (
        "users",
        "password_hash",
        "a password change also increments password_version; a rehash of the same password invalidates nothing",
    ),
    (
        "users",
        "password_set_by_kind",
        "changes only together with password_version",
    ),
    (
        "users",
        "password_set_by",
        "changes only together with password_version",
    ),
    (
        "users",
        "email_set_by_kind",
        "changes only together with the email address or its confirmation",
    ),
    (
        "users",
        "email_set_by",
        "changes only together with the email address or its confirmation",
    ),
    ("users", "created_at", "never changes"),
    (
        "users",
        "updated_at",
        "changes only together with other columns",
    ),
    (
        "users",
        "last_login_at",
        "changes with every sign-in; sign-ins must not notify, because NOTIFY serializes commits",
    ),
    (
        "users",
        "version",
        "changes only together with other columns",
    ),
    ("sessions", "id", "never changes"),
    ("sessions", "created_at", "never changes"),
    (
        "sessions",
        "last_seen_at",
        "changes with every use, which must not notify",
    ),
    ("sessions", "remember_me", "never changes"),
    ("sessions", "ip", "never changes"),
    ("sessions", "user_agent", "never changes"),
    ("sessions", "resource", "never changes"),
    (
        "sessions",
        "generation",
        "refresh tokens are always verified in the database",
    ),
    (
        "sessions",
        "rotated_at",
        "refresh tokens are always verified in the database",
    ),
    (
        "sessions",
        "successor_used_at",
        "refresh tokens are always verified in the database",
    ),
    (
        "sessions",
        "late_repetitions",
        "refresh tokens are always verified in the database",
    ),
    (
        "sessions",
        "repeated_generation",
        "refresh tokens are always verified in the database",
    ),
    (
        "sessions",
        "ended_reason",
        "changes only together with ended_at",
    ),
    ("personal_access_tokens", "id", "never changes"),
    ("personal_access_tokens", "created_at", "never changes"),
    (
        "personal_access_tokens",
        "created_by_owner",
        "never changes",
    ),
    (
        "personal_access_tokens",
        "last_used_at",
        "changes with every use, which must not notify",
    ),
    ("service_clients", "id", "never changes"),
    (
        "service_clients",
        "version",
        "changes only together with other columns",
    ),
    ("service_clients", "created_by", "never changes"),
    (
        "service_clients",
        "secret_known_to",
        "changes only together with secret_digest",
    ),
    (
        "service_clients",
        "secret_known_to_kind",
        "changes only together with secret_digest",
    ),
    (
        "service_clients",
        "secret_holder_version",
        "changes only together with secret_digest",
    ),
    ("service_clients", "created_at", "never changes"),
    (
        "service_clients",
        "updated_at",
        "changes only together with other columns",
    ),
    (
        "service_clients",
        "secret_created_at",
        "changes only together with secret_digest",
    ),
    (
        "service_clients",
        "last_used_at",
        "changes with every use, which must not notify",
    ),
];

/// An object of the schema: the table it belongs to (or its kind), its name and its definition.
#[derive(QueryableByName)]
struct SchemaObject {
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

fn load(conn: &mut PgConnection, sql: &str) -> Vec<SchemaObject> {
    diesel::sql_query(sql).load(conn).unwrap()
}

pub fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn migrations() -> FileBasedMigrations {
    FileBasedMigrations::from_path(project_root().join("migrations")).unwrap()
}

/// Every column of every table in the schema, except diesel's own table.
const COLUMNS: &str = "
    SELECT c.relname::text AS parent, a.attname::text AS name,
           format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '' ELSE ' NULL' END AS definition
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
       AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '__diesel_schema_migrations'
     ORDER BY c.relname, a.attnum";

/// Indexes, constraints, triggers, functions, types and sequences.
const OTHER_OBJECTS: &str = "
    SELECT tablename::text AS parent, indexname::text AS name,
           replace(indexdef, current_schema() || '.', '') AS definition
      FROM pg_indexes WHERE schemaname = current_schema()
     UNION ALL
    SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
     UNION ALL
    SELECT tgrelid::regclass::text, tgname::text, replace(pg_get_triggerdef(t.oid), current_schema() || '.', '')
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace
     UNION ALL
    SELECT 'function', proname::text, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
     UNION ALL
    SELECT 'type', typname::text, typtype::text FROM pg_type
     WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('e', 'd')
     UNION ALL
    SELECT 'sequence', relname::text, '' FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'
     ORDER BY 1, 2, 3";

/// The columns named by triggers (`AFTER UPDATE OF …`) that invalidate the cached state of one principal.
const INVALIDATING_COLUMNS: &str = "
    SELECT c.relname::text AS parent, a.attname::text AS name, t.tgname::text AS definition
      FROM pg_trigger t
      JOIN pg_proc p ON p.oid = t.tgfoid
      JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (t.tgattr)
     WHERE c.relnamespace = current_schema()::regnamespace AND p.proname = 'notify_principal_invalidated'";

/// Everything in the schema, one line per object.
fn inventory(conn: &mut PgConnection) -> Vec<String> {
    let mut all = load(conn, COLUMNS);
    all.extend(load(conn, OTHER_OBJECTS));
    all.retain(|object| object.parent != "__diesel_schema_migrations");
    all.into_iter()
        .map(|object| format!("{} {} {}", object.parent, object.name, object.definition))
        .collect()
}

fn tables_in_database(conn: &mut PgConnection) -> Tables {
    let mut tables = Tables::new();
    for column in load(conn, COLUMNS) {
        let columns = tables.entry(column.parent).or_default();
        columns.push((column.name, column.definition));
    }
    tables
}

/// Parses `diesel::table! { name (key) { column -> Type, } }`.
pub fn tables_in_schema_rs() -> Tables {
    let text = std::fs::read_to_string(project_root().join("src/schema.rs")).unwrap();
    let mut tables = Tables::new();
    for block in text.split("diesel::table! {").skip(1) {
        let mut lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
        let name = lines.next().unwrap().split(' ').next().unwrap();
        let columns = lines
            .take_while(|line| *line != "}")
            .filter_map(|line| line.trim_end_matches(',').split_once(" -> "))
            .map(|(name, diesel_type)| (name.to_owned(), sql_type(diesel_type)))
            .collect();
        tables.insert(name.to_owned(), columns);
    }
    tables
}

/// The PostgreSQL name of a diesel type.
fn sql_type(diesel_type: &str) -> String {
    if let Some(inner) = diesel_type.strip_prefix("Nullable<") {
        return format!("{} NULL", sql_type(inner.strip_suffix('>').unwrap()));
    }
    if let Some(inner) = diesel_type.strip_prefix("Array<") {
        return format!("{}[]", sql_type(inner.strip_suffix('>').unwrap()));
    }
    let name = match diesel_type {
        "Text" => "text",
        "Bool" => "boolean",
        "SmallInt" | "Int2" => "smallint",
        "Integer" | "Int4" => "integer",
        "BigInt" | "Int8" => "bigint",
        "Double" | "Float8" => "double precision",
        "Timestamptz" => "timestamp with time zone",
        "Date" => "date",
        "Interval" => "interval",
        "Uuid" => "uuid",
        "Jsonb" => "jsonb",
        "Bytea" | "Binary" => "bytea",
        "Inet" => "inet",
        other => panic!("unknown diesel type {other}: add its PostgreSQL name here"),
    };
    name.to_owned()
}

#[test]
fn schema_rs_matches_the_migrated_database() {
    let schema = Schema::new();
    let tables = tables_in_database(&mut schema.connect());
    assert!(tables.contains_key("users"));
    assert_eq!(tables_in_schema_rs(), tables);
}

#[test]
fn all_migrations_can_be_reverted_and_applied_again() {
    let schema = Schema::empty();
    let mut conn = schema.connect();
    conn.run_pending_migrations(migrations()).unwrap();
    let migrated = inventory(&mut conn);
    assert!(!migrated.is_empty());
    conn.revert_all_migrations(migrations()).unwrap();
    assert_eq!(inventory(&mut conn), Vec::<String>::new());
    conn.run_pending_migrations(migrations()).unwrap();
    assert_eq!(inventory(&mut conn), migrated);
}

#[test]
fn reverting_a_migration_restores_the_previous_schema() {
    let schema = Schema::empty();
    let mut conn = schema.connect();
    while conn.has_pending_migration(migrations()).unwrap() {
        let before = inventory(&mut conn);
        let version = conn.run_next_migration(migrations()).unwrap().to_string();
        let after = inventory(&mut conn);
        conn.revert_last_migration(migrations()).unwrap();
        assert_eq!(inventory(&mut conn), before, "migration {version}");
        conn.run_next_migration(migrations()).unwrap();
        assert_eq!(inventory(&mut conn), after, "migration {version}");
    }
}

/// A column that is added to a table with such a trigger makes this test fail, until it is added either to the trigger or to
/// [`NOT_INVALIDATING`].
#[test]
fn every_column_invalidates_caches_or_is_listed_with_a_reason() {
    let schema = Schema::new();
    let mut invalidating = BTreeMap::<String, BTreeSet<String>>::new();
    for column in load(&mut schema.connect(), INVALIDATING_COLUMNS) {
        let columns = invalidating.entry(column.parent).or_default();
        columns.insert(column.name);
    }
    let tables = tables_in_schema_rs();
    let expected = [
        "personal_access_tokens",
        "service_clients",
        "sessions",
        "users",
    ];
    assert!(
        invalidating.keys().eq(expected),
        "tables with an invalidation trigger on certain columns: {:?}",
        invalidating.keys()
    );
    for (table, invalidating) in &invalidating {
        let listed: BTreeSet<String> = NOT_INVALIDATING
            .iter()
            .filter(|(of, ..)| of == table)
            .map(|(_, column, _)| (*column).to_owned())
            .collect();
        let columns = tables[table].iter().map(|(name, _)| name.clone());
        let columns: BTreeSet<String> = columns.collect();
        let decided: BTreeSet<String> = invalidating.union(&listed).cloned().collect();
        assert_eq!(
            columns, decided,
            "each column of {table} must be in its {table}_notify_on_update trigger or in NOT_INVALIDATING"
        );
        let both: Vec<&String> = invalidating.intersection(&listed).collect();
        assert!(
            both.is_empty(),
            "in the trigger of {table} and in NOT_INVALIDATING: {both:?}"
        );
    }
    for (table, column, _) in NOT_INVALIDATING {
        assert!(
            invalidating.contains_key(*table),
            "NOT_INVALIDATING lists {table}.{column}, but {table} has no such trigger"
        );
    }
}

#[test]
fn every_constraint_named_in_the_code_exists() {
    let schema = Schema::new();
    let existing: Vec<String> = load(&mut schema.connect(), OTHER_OBJECTS)
        .into_iter()
        .map(|object| object.name)
        .collect();
    let mut names = Vec::new();
    collect_constraint_names(&project_root().join("src"), &mut names);
    assert!(!names.is_empty());
    for name in names {
        assert!(existing.contains(&name), "there is no constraint {name}");
    }
}

/// Collects the arguments of `.on_constraint("…")` in the source files below this directory.
fn collect_constraint_names(directory: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_constraint_names(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split(".on_constraint(").skip(1);
            let arguments = calls.filter_map(|call| call.trim_start().strip_prefix('"'));
            names.extend(arguments.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}
