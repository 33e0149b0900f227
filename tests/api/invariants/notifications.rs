//! Notifications between replicas: all processes use the schema that contains the tables, and a replica that receives no
//! notifications does not answer from its cache.

use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use rosterd::platform::db::{Db, DbOptions, check_delivery};

use crate::support::pgbouncer::{StartupOptions, TransactionPooler};
use crate::support::{Cli, TestApp, wait_until};

const ME: &str = "/api/v1/auth/me";

/// The triggers that notify replicas of a changed account, and of a heartbeat.
const TRIGGERS: [(&str, &str); 2] = [
    ("users", "users_notify_on_update"),
    ("replicas", "replicas_notify_on_update"),
];

fn set_triggers(app: &TestApp, state: &str) {
    for (table, trigger) in TRIGGERS {
        app.execute(&format!("ALTER TABLE {table} {state} TRIGGER {trigger}"));
    }
}

fn set_active(app: &TestApp, user: &str, is_active: bool) {
    app.execute(&format!(
        "UPDATE users SET is_active = {is_active} WHERE id = '{user}'"
    ));
}

fn status(app: &TestApp, token: &str) -> u16 {
    app.get(ME).bearer(token).send().status
}

/// The database URL of the app with a search path in which `first` comes before the schema of the tables.
fn url_with_search_path(app: &TestApp, first: &str) -> String {
    let url = app.url();
    let (before, path) = url.split_once("search_path%3D").unwrap();
    format!("{before}search_path%3D{first}%2C{path}")
}

fn listeners(app: &TestApp) -> i64 {
    app.query_number(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = 'rosterd listener in ' || current_schema()",
    )
}

#[test]
fn lost_notifications_behind_a_pooler_in_transaction_mode_are_noticed() {
    let app = TestApp::start();
    let Some(pooler) = TransactionPooler::start(&app, 1, StartupOptions::Ignored) else {
        return;
    };
    let url = pooler.url();
    let schema = app.db().table_schema().unwrap();
    for _ in 0..3 {
        let is_delivered = check_delivery(&url, &url, &schema);
        assert!(
            !matches!(is_delivered, Ok(true)),
            "the pooler keeps sessions"
        );
    }
    assert!(check_delivery(&app.url(), &app.url(), &schema).unwrap());
}

#[test]
fn replica_without_notifications_does_not_answer_from_its_cache() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &[]);
    assert_eq!(status(&app, &token), 200);
    set_triggers(&app, "DISABLE");
    // Without a heartbeat there is no lease after three seconds.
    std::thread::sleep(std::time::Duration::from_secs(4));
    for _ in 0..20 {
        set_active(&app, &user.id, true);
        assert_eq!(status(&app, &token), 200);
        set_active(&app, &user.id, false);
        assert_eq!(status(&app, &token), 401, "nothing is cached");
    }
}

#[test]
fn cache_is_used_again_when_notifications_arrive_again() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let is_cached = || {
        set_active(&app, &user.id, true);
        app.execute("ALTER TABLE users DISABLE TRIGGER users_notify_on_update");
        let before = status(&app, &token);
        set_active(&app, &user.id, false);
        let after = status(&app, &token);
        app.execute("ALTER TABLE users ENABLE TRIGGER users_notify_on_update");
        (before, after) == (200, 200)
    };
    wait_until(is_cached);
    app.execute("ALTER TABLE replicas DISABLE TRIGGER replicas_notify_on_update");
    wait_until(|| !is_cached());
    app.execute("ALTER TABLE replicas ENABLE TRIGGER replicas_notify_on_update");
    wait_until(is_cached);
}

#[test]
fn schema_without_tables_does_not_take_the_place_of_the_schema_with_tables() {
    let app = TestApp::start();
    let shadow = format!("{}_shadow", app.query_text("SELECT current_schema()"));
    let url = url_with_search_path(&app, &shadow);
    let old_replica = app.start_replica_with(&[("DATABASE_URL", &url)]);
    let (user, token) = app.create_signed_in_user("User", &[]);

    // As if somebody created a schema with the name of the database role, which is in the default search path.
    app.execute(&format!("CREATE SCHEMA {shadow}"));
    let mut settings = app.binary_settings();
    settings.retain(|(name, _)| name != "DATABASE_URL");
    let cli = Cli::new(settings).with("DATABASE_URL", &url);
    let migrated = cli.run("db migrate").expect(0);
    assert!(migrated.err.contains("The schema is up to date."));
    let new_replica = app.start_replica_with(&[("DATABASE_URL", &url)]);
    let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{shadow}'");
    assert_eq!(app.query_number(&tables), 0);
    wait_until(|| listeners(&app) == 3);

    for replica in [&app, &old_replica, &new_replica] {
        assert_eq!(status(replica, &token), 200);
    }
    cli.run(&format!("users deactivate {}", user.username))
        .expect(0);
    for replica in [&app, &old_replica, &new_replica] {
        wait_until(|| status(replica, &token) == 401);
    }
    app.super_admin_token();
    let doctor = cli.with("ROSTERD_PUBLIC_URL", "https://id.example.org");
    doctor.run("doctor").expect(0);
    app.execute(&format!("DROP SCHEMA {shadow}"));
}

/// Lock keys are derived from `current_schema()`.
#[test]
fn transactions_use_the_schema_of_the_tables() {
    let app = TestApp::start();
    let schema = app.query_text("SELECT current_schema()");
    let shadow = format!("{schema}_shadow");
    app.execute(&format!("CREATE SCHEMA {shadow}"));
    let db = Db::connect(&DbOptions {
        url: url_with_search_path(&app, &shadow),
        pool_size: 2,
        acquire_timeout: std::time::Duration::from_secs(20),
        statement_timeout: std::time::Duration::from_secs(20),
        prepared: rosterd::platform::db::PreparedStatements::default(),
    })
    .unwrap();
    let current_schema = "current_schema()::text";
    let select = |tx: &mut rosterd::platform::db::Tx<'_>| {
        let query = diesel::select(diesel::dsl::sql::<Text>(current_schema));
        Ok(query.get_result::<String>(tx.conn)?)
    };
    assert_eq!(db.read_now(select).unwrap(), schema);
    let written = db.write_now(|tx| Ok(select(tx)?));
    assert_eq!(written.unwrap(), schema);
    app.execute(&format!("DROP SCHEMA {shadow}"));
}

#[test]
fn truncating_a_table_invalidates_caches() {
    let app = TestApp::start();
    let other = app.start_replica();
    for statement in [
        "TRUNCATE sessions CASCADE",
        "TRUNCATE users CASCADE",
        "TRUNCATE roles CASCADE",
    ] {
        let (_, token) = app.create_signed_in_user("User", &[]);
        assert_eq!(status(&other, &token), 200);
        app.execute(statement);
        wait_until(|| status(&other, &token) == 401);
    }
}
