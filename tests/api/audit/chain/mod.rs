//! The hash chain over the audit log: changes made outside the service are detected, and the service cannot make them.

mod retention;
mod verification;
mod write_protection;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use rosterd::audit::chain::service::{seal, verify};
use rosterd::audit::chain::{ChainHead, ChainReport, ChainSummary, Tampering};

use crate::support::{TestApp, TestUser, vault};

fn seal_all(app: &TestApp) {
    while app.db().write_now(|tx| Ok(seal(tx, &vault())?)).unwrap() {}
}

fn verify_chain(app: &TestApp, noted: Option<&ChainHead>) -> ChainReport {
    app.db()
        .write_now(|tx| Ok(verify(tx, &vault(), noted, &mut || ())?))
        .unwrap()
}

#[track_caller]
fn expect_intact(app: &TestApp) -> ChainSummary {
    match verify_chain(app, None) {
        ChainReport::Intact(intact) => intact,
        ChainReport::Tampered(tampering) => panic!("{tampering}"),
    }
}

#[track_caller]
fn expect_tampered(app: &TestApp) -> Tampering {
    match verify_chain(app, None) {
        ChainReport::Tampered(tampering) => tampering,
        ChainReport::Intact(intact) => panic!("{intact:?}"),
    }
}

/// Starts the service with this many sealed `user.tag` rows: the app, the tagged account and an administrator's token.
fn start_with_tagged_user(tags: usize) -> (TestApp, TestUser, String) {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    for number in 0..tags {
        add_tag(&app, &admin, &user, &format!("tag{number}"));
    }
    seal_all(&app);
    (app, user, admin)
}

fn add_tag(app: &TestApp, admin: &str, user: &TestUser, name: &str) {
    app.put(&user.path(&format!("/tags/{name}")))
        .bearer(admin)
        .send()
        .expect(200);
}

fn events(app: &TestApp) -> i64 {
    app.query_number("SELECT count(*) FROM audit_events")
}

/// Asserts that PostgreSQL denies this statement to the role of the connection.
#[track_caller]
fn assert_refused(conn: &mut PgConnection, sql: &str) {
    let error = conn.batch_execute(sql).expect_err(sql).to_string();
    let is_refused = error.contains("permission denied") || error.contains("must be owner");
    assert!(is_refused, "{sql}: {error}");
}
