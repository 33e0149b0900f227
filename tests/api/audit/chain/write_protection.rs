//! Database privileges of the service role, and failed audit writes.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use rosterd::audit::chain::TamperingKind;
use rosterd::audit::chain::service::{expire, seal};
use serde_json::json;

use crate::support::{PASSWORD, RestrictedRole, TestApp};

use super::{
    add_tag, assert_refused, events, expect_intact, expect_tampered, start_with_tagged_user, vault,
};

// SECURITY: J04
#[test]
fn service_role_cannot_modify_the_audit_log() {
    let (app, user, _) = start_with_tagged_user(2);
    let role = RestrictedRole::create(&app);
    let service = app.start_replica_with(&[("DATABASE_URL", &role.url)]);
    let admin = service.super_admin_token();
    add_tag(&service, &admin, &user, "as-usual");
    let mut conn = PgConnection::establish(&role.url).unwrap();
    for table in ["audit_events", "audit_chain_links", "audit_chain_anchors"] {
        assert_refused(&mut conn, &format!("DELETE FROM {table}"));
        assert_refused(&mut conn, &format!("TRUNCATE {table} CASCADE"));
        assert_refused(&mut conn, &format!("DROP TABLE {table} CASCADE"));
    }
    assert_refused(&mut conn, "UPDATE audit_events SET action = 'x'");
    assert_refused(&mut conn, "UPDATE audit_chain_links SET hash = ''");
    assert_refused(&mut conn, "UPDATE audit_personal_data SET data = '{}'");
    assert_refused(&mut conn, "DELETE FROM audit_personal_data");
    let erase = format!("SELECT erase_audit_personal_data('{}')", user.id);
    let error = conn.batch_execute(&erase).unwrap_err().to_string();
    assert!(error.contains("existing user"), "{error}");
    assert_refused(
        &mut conn,
        "INSERT INTO audit_chain_anchors (position, hash, mac) VALUES (1, '', '')",
    );
    assert_refused(&mut conn, "ALTER TABLE audit_events DISABLE TRIGGER ALL");
    // The role may seal rows and remove expired rows, and nothing else.
    let db = rosterd::platform::db::Db::connect(&rosterd::platform::db::DbOptions {
        url: role.url.clone(),
        pool_size: 1,
        acquire_timeout: std::time::Duration::from_secs(20),
        statement_timeout: std::time::Duration::from_secs(20),
        prepared: rosterd::platform::db::PreparedStatements::default(),
    })
    .unwrap();
    while db.write_now(|tx| Ok(seal(tx, &vault())?)).unwrap() {}
    expect_intact(&app);
    let error = conn
        .batch_execute("SELECT prune_audit_log(1, '')")
        .unwrap_err()
        .to_string();
    assert!(error.contains("younger than a day"), "{error}");
    app.execute("UPDATE audit_events SET at = at - interval '40 days' WHERE action <> 'user.tag'");
    app.execute("UPDATE audit_chain_links SET at = at - interval '40 days' WHERE position <= 2");
    // Only the holder of the secret key knows the MAC.
    let forged = conn.batch_execute("SELECT prune_audit_log(2, '\\x00')");
    let error = forged.unwrap_err().to_string();
    assert!(error.contains("not the one of this position"), "{error}");
    let (days, before) = (30, events(&app));
    assert!(db.write_now(|tx| Ok(expire(tx, &vault(), days)?)).unwrap());
    assert_eq!(events(&app), before - 2 + 1);
    app.execute(&format!(
        "REVOKE EXECUTE ON FUNCTION prune_audit_log FROM {}",
        role.name
    ));
    assert_refused(&mut conn, "SELECT prune_audit_log(1, '')");
}

/// The role of the service can insert personal data, but not in place of what an event committed to.
#[test]
fn personal_data_inserted_by_the_service_role_is_reported() {
    let (app, _, _) = start_with_tagged_user(2);
    let role = RestrictedRole::create(&app);
    let mut conn = PgConnection::establish(&role.url).unwrap();
    expect_intact(&app);
    conn.batch_execute(
        "INSERT INTO audit_personal_data (event_id, user_id, participant, data) \
         SELECT event_id, user_id, participant, data || '{\"name\": \"mallory\"}' FROM audit_personal_data \
          WHERE participant = 'actor' AND event_id = (SELECT event_id FROM audit_chain_links WHERE position = 2)",
    )
    .unwrap();
    let tampering = expect_tampered(&app);
    let expected = (TamperingKind::PersonalDataChanged, Some(2));
    assert_eq!((tampering.kind, tampering.position), expected);
}

// SECURITY: J04
#[test]
fn failed_audit_write_aborts_the_operation() {
    let app = TestApp::start();
    let role = RestrictedRole::create(&app);
    let service = app.start_replica_with(&[
        ("DATABASE_URL", &role.url),
        ("ROSTERD_DB_STATEMENT_MS", "300"),
    ]);
    let admin = service.super_admin_token();
    let user = service.create_user("ada", "User", &[]);
    let state = || {
        app.query_text("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM users t")
            + &app.query_text("SELECT count(*) FROM sessions")
    };
    let assert_nothing_changes = |reason: &str| {
        let before = state();
        let call = service.post("/api/v1/users").bearer(&admin);
        let created = call
            .json(&json!({"username": "grace", "role": "User"}))
            .send();
        let call = service.post(&user.path("/status")).bearer(&admin);
        let disabled = call.json(&json!({"isActive": false})).send();
        let purged = service
            .delete(&format!("{}?purge=true", user.path("")))
            .bearer(&admin)
            .send();
        let login = service.post("/api/v1/auth/login");
        let login = login
            .json(&json!({"username": "ada", "password": PASSWORD}))
            .send();
        for response in [created, disabled, purged, login] {
            assert!(
                response.status >= 500,
                "{reason}: {} {}",
                response.status,
                response.text
            );
            assert!(!response.text.contains("audit_"), "{}", response.text);
        }
        assert_eq!(state(), before, "{reason}");
    };
    for table in ["audit_events", "audit_personal_data", "audit_chain_queue"] {
        app.execute(&format!("REVOKE INSERT ON {table} FROM {}", role.name));
        assert_nothing_changes(table);
        app.execute(&format!("GRANT INSERT ON {table} TO {}", role.name));
    }
    let mut lock_holder = app.sql();
    lock_holder
        .batch_execute("BEGIN; LOCK TABLE audit_events")
        .unwrap();
    assert_nothing_changes("audit_events is locked");
    lock_holder.batch_execute("ROLLBACK").unwrap();
    let call = service.post(&user.path("/status")).bearer(&admin);
    call.json(&json!({"isActive": false})).send().expect(200);
}
