//! Errors of a database whose messages are not in English are recognized.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use rosterd::platform::db::{Db, DbOptions, Tx};
use rosterd::platform::error::{AppError, Code};

use crate::support::postgres_server::PostgresServer;

/// A server with German messages. The translation is used for a locale other than C; no German locale is needed.
fn german_server() -> Option<PostgresServer> {
    let variables = [("LANGUAGE", "de"), ("LC_MESSAGES", "C.UTF-8")];
    let server = PostgresServer::start(
        &variables,
        &["lc_messages=C.UTF-8", "deadlock_timeout=50ms"],
    )?;
    let major: String = diesel::dsl::sql::<diesel::sql_types::Text>(
        "SELECT (current_setting('server_version_num')::integer / 10000)::text",
    )
    .get_result(&mut server.connect())
    .unwrap();
    let catalogue = format!("/usr/share/locale/de/LC_MESSAGES/postgres-{major}.mo");
    // Images of containers often leave out the translations of all packages.
    if !Path::new(&catalogue).exists() {
        eprintln!("skipped: {catalogue} is missing");
        return None;
    }
    let error = server.connect().batch_execute("SELECT 1 / 0").unwrap_err();
    assert_eq!(error.to_string(), "Division durch Null");
    Some(server)
}

fn connect(server: &PostgresServer) -> Db {
    let options = DbOptions {
        url: server.url(),
        pool_size: 4,
        acquire_timeout: Duration::from_secs(60),
        statement_timeout: Duration::from_secs(60),
        prepared: rosterd::platform::db::PreparedStatements::default(),
    };
    Db::connect(&options).unwrap()
}

fn execute(tx: &mut Tx<'_>, sql: &str) -> Result<(), AppError> {
    Ok(tx.conn.batch_execute(sql)?)
}

/// The code of the error of this statement.
fn code_of(db: &Db, sql: &str) -> Code {
    let result = db.write_now(|tx| Ok(execute(tx, sql)?));
    result.unwrap_err().code()
}

#[test]
fn timeouts_and_a_full_disk_are_recognized_in_another_language() {
    let Some(server) = german_server() else {
        return;
    };
    let db = connect(&server);
    let statement_timeout = "SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)";
    assert_eq!(code_of(&db, statement_timeout), Code::Overloaded);
    let mut holder = server.connect();
    holder.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
    let lock_timeout = "SET LOCAL lock_timeout = 1; SELECT pg_advisory_xact_lock(1)";
    assert_eq!(code_of(&db, lock_timeout), Code::Overloaded);
    let raise = |sqlstate: &str| format!("DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$");
    for (sqlstate, code) in [
        ("53100", Code::StorageFull),
        ("57P03", Code::DatabaseUnavailable),
        ("40001", Code::Overloaded),
        ("22012", Code::Internal),
    ] {
        assert_eq!(code_of(&db, &raise(sqlstate)), code, "{sqlstate}");
    }
}

#[test]
fn deadlock_is_retried_in_another_language() {
    let Some(server) = german_server() else {
        return;
    };
    let (db, both_have_one) = (connect(&server), Barrier::new(2));
    let lock_in_order = |first: i64, second: i64| {
        let mut attempts = 0;
        let lock =
            |tx: &mut Tx<'_>, key| execute(tx, &format!("SELECT pg_advisory_xact_lock({key})"));
        let result = db.write_now(|tx| {
            attempts += 1;
            lock(tx, first)?;
            if attempts == 1 {
                both_have_one.wait();
            }
            Ok(lock(tx, second)?)
        });
        result.unwrap();
        attempts
    };
    let attempts = thread::scope(|scope| {
        let other = scope.spawn(|| lock_in_order(2, 1));
        lock_in_order(1, 2) + other.join().unwrap()
    });
    assert_eq!(
        attempts, 3,
        "one of the two was chosen as the victim and ran again"
    );
}

#[test]
fn connection_that_the_server_ends_is_replaced_in_another_language() {
    let Some(server) = german_server() else {
        return;
    };
    let db = connect(&server);
    let pid = |conn: &mut PgConnection| -> i32 {
        let pid = diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT pg_backend_pid()");
        pid.get_result(conn).unwrap()
    };
    let mut attempts = 0;
    let idle_too_long = "SET idle_in_transaction_session_timeout = 1; SELECT 1";
    let result = db.write_now(|tx| {
        attempts += 1;
        let own = pid(tx.conn);
        match attempts {
            1 => server
                .connect()
                .batch_execute(&format!("SELECT pg_terminate_backend({own})"))
                .unwrap(),
            2 => {
                execute(tx, idle_too_long)?;
                let is_gone =
                    format!("SELECT 1 / count(*) FROM pg_stat_activity WHERE pid = {own}");
                while server.connect().batch_execute(&is_gone).is_ok() {}
            }
            _ => {}
        }
        Ok(execute(tx, "SELECT 1")?)
    });
    result.unwrap();
    assert_eq!(attempts, 3);
}
