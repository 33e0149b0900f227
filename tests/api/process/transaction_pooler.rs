//! `PgBouncer` in transaction mode between the service and the database.

use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use rosterd::platform::db::{
    Db, DbOptions, NotificationListener, PreparedStatements, ServerGuard, Tx, check_delivery,
};
use serde_json::json;

use crate::support::pgbouncer::{StartupOptions, TransactionPooler};
use crate::support::{Cli, PASSWORD, TestApp, run_concurrently, wait_until};

const RECEIVED: &str = "rosterd_notifications_received";

fn connect(url: &str, prepared: PreparedStatements) -> Db {
    let options = DbOptions {
        url: url.to_owned(),
        pool_size: 4,
        acquire_timeout: Duration::from_secs(60),
        statement_timeout: Duration::from_secs(17),
        prepared,
    };
    Db::connect(&options).unwrap()
}

fn text(tx: &mut Tx<'_>, expression: &str) -> String {
    let query = diesel::select(diesel::dsl::sql::<Text>(expression));
    query.get_result(tx.conn).unwrap()
}

/// Signs in, reads and changes with more concurrent requests than the pooler has connections.
fn use_service(replica: &TestApp, round: u32) {
    let statuses = run_concurrently(12, |number| {
        let name = format!("user-{round}-{number}");
        let admin = replica.token("root-admin");
        let body = json!({"username": name, "role": "User", "password": PASSWORD});
        let created = replica
            .post("/api/v1/users")
            .bearer(&admin)
            .json(&body)
            .send();
        let token = replica.token(&name);
        let me = replica.get("/api/v1/auth/me").bearer(&token).send();
        let list = replica.get("/api/v1/users?limit=3").bearer(&admin).send();
        [created.status, me.status, list.status]
    });
    assert_eq!(statuses, vec![[201, 200, 200]; 12]);
}

#[test]
fn service_works_behind_a_pooler_in_transaction_mode() {
    let app = TestApp::start();
    app.create_user("root-admin", "SuperAdmin", &[]);
    for (round, options) in [(0, StartupOptions::Ignored), (1, StartupOptions::Refused)] {
        let Some(pooler) = TransactionPooler::start(&app, 3, options) else {
            return;
        };
        let url = pooler.url();
        let direct = app.url();
        let settings = [
            ("DATABASE_URL", url.as_str()),
            ("ROSTERD_DB_LISTEN_URL", direct.as_str()),
        ];
        let replica = app.start_replica_with(&settings);
        use_service(&replica, round);
        wait_until(|| replica.metric(RECEIVED) > 0.5);
    }
}

#[test]
fn service_works_behind_a_pooler_without_a_url_to_listen_on() {
    let app = TestApp::start();
    app.create_user("root-admin", "SuperAdmin", &[]);
    let Some(pooler) = TransactionPooler::start(&app, 3, StartupOptions::Ignored) else {
        return;
    };
    for (round, prepared) in [(0, "auto"), (1, "off")] {
        let url = pooler.url();
        let settings = [
            ("DATABASE_URL", url.as_str()),
            ("ROSTERD_DB_PREPARED", prepared),
        ];
        let replica = app.start_replica_with(&settings);
        use_service(&replica, round);
        assert!(
            replica.metric(RECEIVED) < 0.5,
            "the pooler delivers nothing"
        );
        // Nothing is answered from memory: a change that is not announced is seen at once.
        let (user, token) = app.create_signed_in_user("User", &[]);
        let me = || replica.get("/api/v1/auth/me").bearer(&token).send().status;
        assert_eq!(me(), 200);
        app.execute("ALTER TABLE users DISABLE TRIGGER USER");
        let disable = format!(
            "UPDATE users SET is_active = false WHERE id = '{}'",
            user.id
        );
        app.execute(&disable);
        assert_eq!(me(), 401);
        app.execute("ALTER TABLE users ENABLE TRIGGER USER");
    }
}

#[test]
fn notifications_are_not_received_through_a_pooler() {
    let app = TestApp::start();
    // With one connection, the heartbeats would arrive in the session that executed LISTEN.
    for options in [StartupOptions::Ignored, StartupOptions::Refused] {
        let Some(pooler) = TransactionPooler::start(&app, 1, options) else {
            return;
        };
        let schema = connect(&pooler.url(), PreparedStatements::Auto)
            .table_schema()
            .unwrap();
        assert!(
            NotificationListener::open(&pooler.url(), &schema, &ServerGuard::default()).is_err()
        );
        assert!(check_delivery(&app.url(), &pooler.url(), &schema).is_err());
        assert!(check_delivery(&pooler.url(), &app.url(), &schema).unwrap());
    }
}

#[test]
fn transactions_behind_a_pooler_have_the_schema_and_the_timeouts() {
    let app = TestApp::start();
    let Some(pooler) = TransactionPooler::start(&app, 1, StartupOptions::Refused) else {
        return;
    };
    let schema = app.query_text("SELECT current_schema()");
    // The prepared statements of other programs must not collide either.
    for prepared in [PreparedStatements::Auto, PreparedStatements::Off] {
        let db = connect(&pooler.url(), prepared);
        let read = |tx: &mut Tx<'_>| {
            Ok([
                text(tx, "current_schema()::text"),
                text(tx, "current_setting('statement_timeout')"),
                text(tx, "(SELECT count(*)::text FROM pg_prepared_statements)"),
            ])
        };
        let expected = [schema.as_str(), "17s", "0"];
        assert_eq!(db.read_now(read).unwrap(), expected);
        assert_eq!(db.write_now(|tx| Ok(read(tx)?)).unwrap(), expected);
        let timeout = db.read_now(|tx| Ok(text(tx, "current_setting('statement_timeout')")));
        assert_eq!(timeout.unwrap(), "17s");
    }
    let other = connect(&pooler.url(), PreparedStatements::Auto);
    let session = other.table_schema().unwrap();
    assert_eq!(session.name(), schema);
}

#[test]
fn reads_cannot_change_anything() {
    let app = TestApp::start();
    let change = |tx: &mut Tx<'_>| {
        let sql = "UPDATE roles SET description = 'changed'";
        Ok(diesel::sql_query(sql).execute(tx.conn)?)
    };
    let mut urls = vec![app.url()];
    let pooler = TransactionPooler::start(&app, 1, StartupOptions::Ignored);
    urls.extend(pooler.as_ref().map(TransactionPooler::url));
    for url in urls {
        let db = connect(&url, PreparedStatements::Auto);
        for _ in 0..2 {
            let refused = db.read_now(change).unwrap_err();
            let cause = std::error::Error::source(&refused).unwrap().to_string();
            assert!(cause.contains("read-only transaction"), "{cause}");
            assert!(db.write_now(|tx| Ok(change(tx)?)).unwrap() > 0);
        }
    }
}

#[test]
fn migrations_need_a_connection_without_a_pooler() {
    let app = TestApp::start();
    let Some(pooler) = TransactionPooler::start(&app, 1, StartupOptions::Ignored) else {
        return;
    };
    let mut settings = app.binary_settings();
    settings.retain(|(name, _)| name != "DATABASE_URL");
    let cli = Cli::new(settings).with("DATABASE_URL", &pooler.url());
    let migrated = cli.run("db migrate").expect(0);
    assert!(
        migrated.err.contains("The schema is up to date."),
        "{}",
        migrated.err
    );
    let newest = "DELETE FROM __diesel_schema_migrations WHERE version = \
                  (SELECT max(version) FROM __diesel_schema_migrations)";
    app.execute(newest);
    let refused = cli.run("db migrate").expect(1);
    assert!(
        refused.err.contains("ROSTERD_DB_LISTEN_URL"),
        "{}",
        refused.err
    );
}
