//! The hash chain over the audit log: what was done to the log behind the service's back is seen, and the service itself
//! can't do it.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use rosterd::audit::chain::service::{expire, seal, verify};
use rosterd::audit::chain::{Fault, Head, Report, Sound, Wrong};
use rosterd::platform::crypto::Vault;
use serde_json::json;

use crate::support::binary::rosterd;
use crate::support::{OwnRole, PASSWORD, TestApp, User, at_once, eventually};

fn vault() -> Vault {
    Vault::new(&[0x5a; 32]).unwrap()
}

fn seal_all(app: &TestApp) {
    while app.db().write_now(|tx| Ok(seal(tx, &vault())?)).unwrap() {}
}

fn report(app: &TestApp, noted: Option<&Head>) -> Report {
    app.db()
        .write_now(|tx| Ok(verify(tx, &vault(), noted, &mut || ())?))
        .unwrap()
}

#[track_caller]
fn sound(app: &TestApp) -> Sound {
    match report(app, None) {
        Report::Sound(sound) => sound,
        Report::Broken(fault) => panic!("{fault}"),
    }
}

#[track_caller]
fn fault(app: &TestApp) -> Fault {
    match report(app, None) {
        Report::Broken(fault) => fault,
        Report::Sound(sound) => panic!("{sound:?}"),
    }
}

/// A log of an account that got so many tags, all sealed.
fn log_of(tags: usize) -> (TestApp, User, String) {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    for number in 0..tags {
        tag(&app, &admin, &user, &format!("tag{number}"));
    }
    seal_all(&app);
    (app, user, admin)
}

fn tag(app: &TestApp, admin: &str, user: &User, name: &str) {
    app.put(&user.at(&format!("/tags/{name}")))
        .by(admin)
        .send()
        .expect(200);
}

/// The event that is sealed there.
fn event_at(app: &TestApp, position: i64) -> String {
    app.text(&format!(
        "SELECT event_id FROM audit_seals WHERE position = {position}"
    ))
}

fn events(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM audit_events")
}

#[test]
fn every_row_is_sealed_once_and_the_chain_holds() {
    let (app, user, admin) = log_of(5);
    let first = sound(&app);
    assert_eq!((first.rows, first.waiting), (events(&app), 0));
    assert_eq!(first.head.position, first.rows);
    tag(&app, &admin, &user, "more");
    assert_eq!(sound(&app).waiting, 1);
    seal_all(&app);
    let second = sound(&app);
    assert_eq!((second.rows, second.waiting), (first.rows + 1, 0));
    assert!(matches!(report(&app, Some(&first.head)), Report::Sound(_)));
}

#[test]
fn a_transaction_that_commits_late_is_sealed_late_and_not_skipped() {
    let (app, user, admin) = log_of(1);
    let mut late = app.sql();
    late.batch_execute(
        "BEGIN; WITH event AS (INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
         VALUES (gen_random_uuid(), now(), 'system', 'test.late', 'done') RETURNING id) \
         INSERT INTO audit_unsealed (event_id) SELECT id FROM event",
    )
    .unwrap();
    tag(&app, &admin, &user, "early");
    seal_all(&app);
    let before = sound(&app);
    assert_eq!(before.waiting, 0);
    late.batch_execute("COMMIT").unwrap();
    seal_all(&app);
    let after = sound(&app);
    assert_eq!(after.rows, before.rows + 1);
    let last = "SELECT action FROM audit_events JOIN audit_seals ON event_id = id ORDER BY position DESC LIMIT 1";
    assert_eq!(app.text(last), "test.late");
}

#[test]
fn many_who_seal_at_once_make_one_chain() {
    let (app, user, admin) = log_of(0);
    for round in 0..20 {
        for number in 0..3 {
            tag(
                &app,
                &admin,
                &user,
                &format!("tag{}", (round + number) % 30),
            );
        }
        at_once(4, |_| seal_all(&app));
        let sound = sound(&app);
        assert_eq!(
            (sound.rows, sound.waiting),
            (events(&app), 0),
            "round {round}"
        );
    }
}

#[test]
fn a_row_that_was_changed_is_named() {
    for (change, position) in [
        ("action = 'user.untag'", 3),
        ("at = at + interval '1 microsecond'", 4),
        ("after = '{\"tags\": [\"other\"]}'", 5),
        ("actor_id = NULL", 4),
        ("outcome = 'refused'", 3),
        ("reason = ''", 5),
    ] {
        let (app, _, _) = log_of(5);
        let event = event_at(&app, position);
        app.execute(&format!(
            "UPDATE audit_events SET {change} WHERE id = '{event}'"
        ));
        // A later one too: the first is named.
        let other = event_at(&app, 6);
        app.execute(&format!(
            "UPDATE audit_events SET action = 'x' WHERE id = '{other}'"
        ));
        let found = fault(&app);
        assert_eq!(
            (found.wrong, found.position),
            (Wrong::Changed, Some(position)),
            "{change}"
        );
        assert_eq!(found.event.unwrap().to_string(), event);
    }
}

#[test]
fn a_row_that_was_deleted_is_named() {
    let (app, _, _) = log_of(5);
    let event = event_at(&app, 4);
    app.execute(&format!("DELETE FROM audit_events WHERE id = '{event}'"));
    let found = fault(&app);
    assert_eq!((found.wrong, found.position), (Wrong::Deleted, Some(4)));
    assert_eq!(found.event.unwrap().to_string(), event);
    // With its place, too.
    app.execute("DELETE FROM audit_seals WHERE position = 4");
    let found = fault(&app);
    assert_eq!((found.wrong, found.position), (Wrong::Deleted, Some(4)));
}

#[test]
fn a_row_that_was_deleted_before_it_was_sealed_is_missed() {
    let (app, user, admin) = log_of(1);
    tag(&app, &admin, &user, "secret");
    let event = app.text("SELECT event_id FROM audit_unsealed");
    app.execute(&format!("DELETE FROM audit_events WHERE id = '{event}'"));
    seal_all(&app);
    let found = fault(&app);
    assert_eq!(
        (found.wrong, found.event.unwrap().to_string()),
        (Wrong::Deleted, event)
    );
}

#[test]
fn a_row_that_was_inserted_is_named() {
    let (app, _, _) = log_of(3);
    app.execute(
        "INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
         SELECT gen_random_uuid(), at, actor_kind, action, outcome FROM audit_events WHERE action = 'user.tag' LIMIT 1",
    );
    let forged =
        app.text("SELECT id FROM audit_events WHERE id NOT IN (SELECT event_id FROM audit_seals)");
    seal_all(&app);
    let found = fault(&app);
    assert_eq!(
        (found.wrong, found.event.unwrap().to_string()),
        (Wrong::Inserted, forged)
    );
}

/// Whoever has the database and not the secret key hashes anew what they changed.
#[test]
fn a_chain_that_was_made_anew_without_the_key_is_not_ours() {
    let (app, _, _) = log_of(4);
    let foreign = Vault::new(&[7; 32]).unwrap();
    app.execute(
        "UPDATE audit_events SET action = 'user.untag' WHERE action = 'user.tag'; \
         INSERT INTO audit_unsealed (event_id) SELECT event_id FROM audit_seals ORDER BY position; \
         DELETE FROM audit_seals",
    );
    while app.db().write_now(|tx| Ok(seal(tx, &foreign)?)).unwrap() {}
    let found = fault(&app);
    assert_eq!((found.wrong, found.position), (Wrong::Foreign, Some(1)));
}

#[test]
fn a_log_without_its_newest_rows_is_not_the_one_that_was_noted() {
    let (app, user, admin) = log_of(4);
    let noted = sound(&app).head;
    app.execute(&format!(
        "DELETE FROM audit_events WHERE id = (SELECT event_id FROM audit_seals WHERE position = {0}); \
         DELETE FROM audit_seals WHERE position = {0}",
        noted.position
    ));
    sound(&app);
    let wrong = |app: &TestApp| match report(app, Some(&noted)) {
        Report::Broken(fault) => (fault.wrong, fault.position),
        Report::Sound(sound) => panic!("{sound:?}"),
    };
    assert_eq!(wrong(&app), (Wrong::Deleted, Some(noted.position)));
    tag(&app, &admin, &user, "another");
    seal_all(&app);
    sound(&app);
    assert_eq!(wrong(&app), (Wrong::Changed, Some(noted.position)));
}

#[test]
fn a_purge_leaves_the_chain_as_it_is() {
    let (app, user, admin) = log_of(2);
    app.delete(&format!("{}?purge=true", user.at("")))
        .by(&admin)
        .send()
        .expect(204);
    seal_all(&app);
    assert_eq!(sound(&app).rows, events(&app));
}

#[test]
fn what_is_too_old_is_removed_and_the_rest_still_holds() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    tag(&app, &admin, &user, "old");
    // As if it had been written then.
    app.execute("UPDATE audit_events SET at = at - interval '40 days'");
    let old = events(&app);
    tag(&app, &admin, &user, "new");
    seal_all(&app);
    let before = sound(&app);
    let run = |days| {
        app.db()
            .write_now(|tx| Ok(expire(tx, &vault(), days)?))
            .unwrap()
    };
    assert!(!run(41), "nothing is as old as that");
    assert!(run(39) && !run(39));
    seal_all(&app);
    let after = sound(&app);
    assert_eq!(after.rows, before.rows - old + 1, "one more that says so");
    assert_eq!(after.head.position, before.head.position + 1);
    let told = "SELECT before->>'rows' FROM audit_events WHERE action = 'audit.expire' AND actor_kind = 'system'";
    assert_eq!(app.number(told), old);
    assert_eq!(app.number("SELECT count(*) FROM audit_people p LEFT JOIN audit_events e ON e.id = p.event_id WHERE e.id IS NULL"), 0);
    // Nobody else moves the beginning.
    app.execute(
        "WITH gone AS (DELETE FROM audit_seals WHERE position = (SELECT min(position) FROM audit_seals) RETURNING *), \
         event AS (DELETE FROM audit_events USING gone WHERE id = event_id) \
         INSERT INTO audit_anchors (position, hash, mac) SELECT position, hash, mac FROM gone",
    );
    assert_eq!(fault(&app).wrong, Wrong::Foreign);
}

#[test]
fn the_service_seals_by_itself_and_removes_what_is_too_old() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = app.user("ada", "User", &[]);
    tag(&app, &admin, &user, "old");
    app.execute("UPDATE audit_events SET at = at - interval '40 days'");
    seal_all(&app);
    tag(&app, &admin, &user, "new");
    let mut settings = app.settings_for_the_binary();
    settings.push(("ROSTERD_ADDR".to_owned(), "127.0.0.1:0".to_owned()));
    settings.push(("ROSTERD_AUDIT_RETENTION_DAYS".to_owned(), "30".to_owned()));
    let mut service = rosterd(&["serve"], &settings)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually(|| {
        app.number("SELECT count(*) FROM audit_events WHERE at < now() - interval '30 days'") == 0
            && app.number("SELECT count(*) FROM audit_unsealed") == 0
    });
    service.kill().unwrap();
    service.wait().unwrap();
    sound(&app);
}

/// What the role is refused.
#[track_caller]
fn refused(conn: &mut PgConnection, sql: &str) {
    let error = conn.batch_execute(sql).expect_err(sql).to_string();
    let is_refused = error.contains("permission denied") || error.contains("must be owner");
    assert!(is_refused, "{sql}: {error}");
}

#[test]
fn j04_the_services_own_role_can_not_change_the_log() {
    let (app, user, _) = log_of(2);
    let role = OwnRole::grant(&app);
    let service = app.replica_with(&[("DATABASE_URL", &role.url)]);
    let admin = service.super_admin();
    tag(&service, &admin, &user, "as-usual");
    let mut conn = PgConnection::establish(&role.url).unwrap();
    for table in ["audit_events", "audit_seals", "audit_anchors"] {
        refused(&mut conn, &format!("DELETE FROM {table}"));
        refused(&mut conn, &format!("TRUNCATE {table} CASCADE"));
        refused(&mut conn, &format!("DROP TABLE {table} CASCADE"));
    }
    refused(&mut conn, "UPDATE audit_events SET action = 'x'");
    refused(&mut conn, "UPDATE audit_seals SET hash = ''");
    refused(&mut conn, "UPDATE audit_people SET words = '{}'");
    refused(
        &mut conn,
        "INSERT INTO audit_anchors (position, hash, mac) VALUES (1, '', '')",
    );
    refused(&mut conn, "ALTER TABLE audit_events DISABLE TRIGGER ALL");
    // Sealing and keeping within the time is what it may do, and no more than that.
    let db = rosterd::platform::db::Db::connect(&rosterd::platform::db::DbOptions {
        url: role.url.clone(),
        size: 1,
        acquire: std::time::Duration::from_secs(20),
        statement: std::time::Duration::from_secs(20),
    })
    .unwrap();
    while db.write_now(|tx| Ok(seal(tx, &vault())?)).unwrap() {}
    sound(&app);
    let young = conn
        .batch_execute("SELECT audit_forget(1, '')")
        .unwrap_err()
        .to_string();
    assert!(young.contains("younger than a day"), "{young}");
    app.execute("UPDATE audit_events SET at = at - interval '40 days' WHERE action <> 'user.tag'");
    app.execute("UPDATE audit_seals SET at = at - interval '40 days' WHERE position <= 2");
    let (days, before) = (30, events(&app));
    assert!(db.write_now(|tx| Ok(expire(tx, &vault(), days)?)).unwrap());
    assert_eq!(events(&app), before - 2 + 1);
    app.execute(&format!(
        "REVOKE EXECUTE ON FUNCTION audit_forget FROM {}",
        role.name
    ));
    refused(&mut conn, "SELECT audit_forget(1, '')");
}

#[test]
fn j04_what_can_not_be_written_to_the_log_is_not_done() {
    let app = TestApp::start();
    let role = OwnRole::grant(&app);
    let service = app.replica_with(&[
        ("DATABASE_URL", &role.url),
        ("ROSTERD_DB_STATEMENT_MS", "300"),
    ]);
    let admin = service.super_admin();
    let user = service.user("ada", "User", &[]);
    let state = || {
        app.text("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM users t")
            + &app.text("SELECT count(*) FROM sessions")
    };
    let nothing_happens = |why: &str| {
        let before = state();
        let call = service.post("/api/v1/users").by(&admin);
        let made = call
            .json(&json!({"username": "grace", "role": "User"}))
            .send();
        let call = service.post(&user.at("/status")).by(&admin);
        let disabled = call.json(&json!({"isActive": false})).send();
        let purged = service
            .delete(&format!("{}?purge=true", user.at("")))
            .by(&admin)
            .send();
        let login = service.post("/api/v1/auth/login");
        let login = login
            .json(&json!({"username": "ada", "password": PASSWORD}))
            .send();
        for answer in [made, disabled, purged, login] {
            assert!(
                answer.status >= 500,
                "{why}: {} {}",
                answer.status,
                answer.text
            );
            assert!(!answer.text.contains("audit_"), "{}", answer.text);
        }
        assert_eq!(state(), before, "{why}");
    };
    for table in ["audit_events", "audit_people", "audit_unsealed"] {
        app.execute(&format!("REVOKE INSERT ON {table} FROM {}", role.name));
        nothing_happens(table);
        app.execute(&format!("GRANT INSERT ON {table} TO {}", role.name));
    }
    let mut blocker = app.sql();
    blocker
        .batch_execute("BEGIN; LOCK TABLE audit_events")
        .unwrap();
    nothing_happens("it is locked");
    blocker.batch_execute("ROLLBACK").unwrap();
    let call = service.post(&user.at("/status")).by(&admin);
    call.json(&json!({"isActive": false})).send().expect(200);
}
