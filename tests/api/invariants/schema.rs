//! The migrations: what they make is what `src/schema.rs` says, what they made they take back, and the constraints that
//! the code names are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::support::Schema;

/// The columns of each table, in their order: name and type.
type Tables = BTreeMap<String, Vec<(String, String)>>;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    thing: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    said: String,
}

fn rows(conn: &mut PgConnection, sql: &str) -> Vec<Row> {
    diesel::sql_query(sql).load(conn).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every column of every table in the schema, but of the list of migrations.
const COLUMNS: &str = "
    SELECT c.relname::text AS thing, a.attname::text AS name,
           format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '' ELSE ' NULL' END AS said
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
       AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '__diesel_schema_migrations'
     ORDER BY c.relname, a.attnum";

/// Indexes, constraints, triggers and functions, by what they belong to.
const REST: &str = "
    SELECT tablename::text AS thing, indexname::text AS name, replace(indexdef, current_schema() || '.', '') AS said
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

/// Everything in the schema, one line each.
fn inventory(conn: &mut PgConnection) -> Vec<String> {
    let mut all = rows(conn, COLUMNS);
    all.extend(rows(conn, REST));
    all.retain(|row| row.thing != "__diesel_schema_migrations");
    all.into_iter()
        .map(|row| format!("{} {} {}", row.thing, row.name, row.said))
        .collect()
}

fn made_by_the_migrations(conn: &mut PgConnection) -> Tables {
    let mut tables = Tables::new();
    for row in rows(conn, COLUMNS) {
        let columns = tables.entry(row.thing).or_default();
        columns.push((row.name, row.said));
    }
    tables
}

/// Reads `diesel::table! { name (key) { column -> Type, } }`.
fn said_by_diesel() -> Tables {
    let text = std::fs::read_to_string(root().join("src/schema.rs")).unwrap();
    let mut tables = Tables::new();
    for block in text.split("diesel::table! {").skip(1) {
        let mut lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
        let name = lines.next().unwrap().split(' ').next().unwrap();
        let columns = lines
            .take_while(|line| *line != "}")
            .filter_map(|line| line.trim_end_matches(',').split_once(" -> "))
            .map(|(name, kind)| (name.to_owned(), in_sql(kind)))
            .collect();
        tables.insert(name.to_owned(), columns);
    }
    tables
}

/// PostgreSQL's name of a type of diesel's.
fn in_sql(kind: &str) -> String {
    if let Some(inner) = kind.strip_prefix("Nullable<") {
        return format!("{} NULL", in_sql(inner.strip_suffix('>').unwrap()));
    }
    if let Some(inner) = kind.strip_prefix("Array<") {
        return format!("{}[]", in_sql(inner.strip_suffix('>').unwrap()));
    }
    let name = match kind {
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
        other => panic!("{other}: what is it called in SQL?"),
    };
    name.to_owned()
}

#[test]
fn the_schema_that_diesel_knows_is_the_one_that_the_migrations_make() {
    let schema = Schema::new();
    let made = made_by_the_migrations(&mut schema.connect());
    assert!(made.contains_key("users"));
    assert_eq!(said_by_diesel(), made);
}

#[test]
fn what_the_migrations_make_they_take_back_and_make_again() {
    let schema = Schema::empty();
    let mut conn = schema.connect();
    let migrations = || FileBasedMigrations::from_path(root().join("migrations")).unwrap();
    conn.run_pending_migrations(migrations()).unwrap();
    let first = inventory(&mut conn);
    assert!(!first.is_empty());
    conn.revert_all_migrations(migrations()).unwrap();
    assert_eq!(inventory(&mut conn), Vec::<String>::new());
    conn.run_pending_migrations(migrations()).unwrap();
    assert_eq!(inventory(&mut conn), first);
}

/// Each step back leaves what was there before the step.
#[test]
fn every_migration_takes_back_exactly_what_it_made() {
    let schema = Schema::empty();
    let mut conn = schema.connect();
    let migrations = || FileBasedMigrations::from_path(root().join("migrations")).unwrap();
    while conn.has_pending_migration(migrations()).unwrap() {
        let before = inventory(&mut conn);
        let step = conn.run_next_migration(migrations()).unwrap().to_string();
        let after = inventory(&mut conn);
        conn.revert_last_migration(migrations()).unwrap();
        assert_eq!(inventory(&mut conn), before, "{step}");
        conn.run_next_migration(migrations()).unwrap();
        assert_eq!(inventory(&mut conn), after, "{step}");
    }
}

#[test]
fn the_constraints_that_the_code_names_are_there() {
    let schema = Schema::new();
    let known: Vec<String> = rows(&mut schema.connect(), REST)
        .into_iter()
        .map(|row| row.name)
        .collect();
    let mut named = Vec::new();
    collect_named(&root().join("src"), &mut named);
    assert!(!named.is_empty());
    for name in named {
        assert!(known.contains(&name), "there is no constraint {name}");
    }
}

/// The texts that stand in `.on_constraint("…")` below this folder.
fn collect_named(folder: &Path, named: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_named(&path, named);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let parts = text.split(".on_constraint(").skip(1);
            let texts = parts.filter_map(|part| part.trim_start().strip_prefix('"'));
            named.extend(texts.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}
