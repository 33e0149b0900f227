//! Sealing, and detection of changed, deleted and inserted rows.

use diesel::connection::SimpleConnection;
use rosterd::audit::chain::service::seal;
use rosterd::audit::chain::{ChainReport, TamperingKind};
use rosterd::platform::crypto::Vault;

use crate::support::{TestApp, run_concurrently};

use super::{
    add_tag, events, expect_intact, expect_tampered, seal_all, start_with_tagged_user, verify_chain,
};

/// The id of the event that is sealed at this position.
fn event_at(app: &TestApp, position: i64) -> String {
    app.query_text(&format!(
        "SELECT event_id FROM audit_chain_links WHERE position = {position}"
    ))
}

#[test]
fn every_row_is_sealed_once() {
    let (app, user, admin) = start_with_tagged_user(5);
    let first = expect_intact(&app);
    assert_eq!((first.rows, first.unsealed), (events(&app), 0));
    assert_eq!(first.head.position, first.rows);
    add_tag(&app, &admin, &user, "more");
    assert_eq!(expect_intact(&app).unsealed, 1);
    seal_all(&app);
    let second = expect_intact(&app);
    assert_eq!((second.rows, second.unsealed), (first.rows + 1, 0));
    assert!(matches!(
        verify_chain(&app, Some(&first.head)),
        ChainReport::Intact(_)
    ));
}

#[test]
fn late_commit_is_sealed_and_not_skipped() {
    let (app, user, admin) = start_with_tagged_user(1);
    let mut open_transaction = app.sql();
    open_transaction
        .batch_execute(
            "BEGIN; WITH event AS (INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
         VALUES (gen_random_uuid(), now(), 'system', 'test.late', 'done') RETURNING id) \
         INSERT INTO audit_chain_queue (event_id) SELECT id FROM event",
        )
        .unwrap();
    add_tag(&app, &admin, &user, "early");
    seal_all(&app);
    let before = expect_intact(&app);
    assert_eq!(before.unsealed, 0);
    open_transaction.batch_execute("COMMIT").unwrap();
    seal_all(&app);
    let after = expect_intact(&app);
    assert_eq!(after.rows, before.rows + 1);
    let last = "SELECT action FROM audit_events JOIN audit_chain_links ON event_id = id ORDER BY position DESC LIMIT 1";
    assert_eq!(app.query_text(last), "test.late");
}

#[test]
fn concurrent_sealing_builds_one_chain() {
    let (app, user, admin) = start_with_tagged_user(0);
    for round in 0..20 {
        for number in 0..3 {
            add_tag(
                &app,
                &admin,
                &user,
                &format!("tag{}", (round + number) % 30),
            );
        }
        run_concurrently(4, |_| seal_all(&app));
        let intact = expect_intact(&app);
        assert_eq!(
            (intact.rows, intact.unsealed),
            (events(&app), 0),
            "round {round}"
        );
    }
}

#[test]
fn changed_row_is_reported() {
    for (change, position) in [
        ("action = 'user.untag'", 3),
        ("at = at + interval '1 microsecond'", 4),
        ("after = '{\"tags\": [\"other\"]}'", 5),
        ("actor_id = NULL", 4),
        ("outcome = 'refused'", 3),
        ("reason = 'rate_limited'", 5),
    ] {
        let (app, _, _) = start_with_tagged_user(5);
        let event = event_at(&app, position);
        app.execute(&format!(
            "UPDATE audit_events SET {change} WHERE id = '{event}'"
        ));
        // If several rows were changed, the first one is reported.
        let other = event_at(&app, 6);
        app.execute(&format!(
            "UPDATE audit_events SET action = 'x' WHERE id = '{other}'"
        ));
        let tampering = expect_tampered(&app);
        assert_eq!(
            (tampering.kind, tampering.position),
            (TamperingKind::Changed, Some(position)),
            "{change}"
        );
        assert_eq!(tampering.event.unwrap().to_string(), event);
    }
}

#[test]
fn changed_or_deleted_personal_data_is_reported() {
    for change in [
        "UPDATE audit_personal_data SET data = data || '{\"name\": \"mallory\"}'",
        "UPDATE audit_personal_data SET data = data || '{\"ip\": \"192.0.2.1\"}'",
        "UPDATE audit_personal_data SET data = data - 'userAgent'",
        "UPDATE audit_personal_data SET user_id = NULL",
        "UPDATE audit_personal_data SET salt = '\\x00'",
        "UPDATE audit_personal_data SET erased_at = now()",
        "UPDATE audit_personal_data SET participant = 'subject'",
        "DELETE FROM audit_personal_data",
    ] {
        let (app, _, _) = start_with_tagged_user(3);
        expect_intact(&app);
        let event = event_at(&app, 3);
        app.execute(&format!(
            "{change} WHERE event_id = '{event}' AND participant = 'actor'"
        ));
        let tampering = expect_tampered(&app);
        assert_eq!(
            (tampering.kind, tampering.position),
            (TamperingKind::PersonalDataChanged, Some(3)),
            "{change}"
        );
        assert_eq!(tampering.event.unwrap().to_string(), event);
    }
}

#[test]
fn deleted_row_is_reported() {
    let (app, _, _) = start_with_tagged_user(5);
    let event = event_at(&app, 4);
    app.execute(&format!("DELETE FROM audit_events WHERE id = '{event}'"));
    let tampering = expect_tampered(&app);
    assert_eq!(
        (tampering.kind, tampering.position),
        (TamperingKind::Deleted, Some(4))
    );
    assert_eq!(tampering.event.unwrap().to_string(), event);
    // The same if its seal is deleted as well.
    app.execute("DELETE FROM audit_chain_links WHERE position = 4");
    let tampering = expect_tampered(&app);
    assert_eq!(
        (tampering.kind, tampering.position),
        (TamperingKind::Deleted, Some(4))
    );
}

#[test]
fn row_deleted_before_sealing_is_reported() {
    let (app, user, admin) = start_with_tagged_user(1);
    add_tag(&app, &admin, &user, "secret");
    let event = app.query_text("SELECT event_id FROM audit_chain_queue");
    app.execute(&format!("DELETE FROM audit_events WHERE id = '{event}'"));
    seal_all(&app);
    let tampering = expect_tampered(&app);
    assert_eq!(
        (tampering.kind, tampering.event.unwrap().to_string()),
        (TamperingKind::Deleted, event)
    );
}

#[test]
fn inserted_row_is_reported() {
    let (app, _, _) = start_with_tagged_user(3);
    app.execute(
        "INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
         SELECT gen_random_uuid(), at, actor_kind, action, outcome FROM audit_events WHERE action = 'user.tag' LIMIT 1",
    );
    let forged = app.query_text(
        "SELECT id FROM audit_events WHERE id NOT IN (SELECT event_id FROM audit_chain_links)",
    );
    seal_all(&app);
    let tampering = expect_tampered(&app);
    assert_eq!(
        (tampering.kind, tampering.event.unwrap().to_string()),
        (TamperingKind::Inserted, forged)
    );
}

/// An attacker with the database but without the secret key recomputes the chain.
#[test]
fn chain_rebuilt_without_the_key_is_reported() {
    let (app, _, _) = start_with_tagged_user(4);
    let foreign = Vault::new(&[7; 32]).unwrap();
    app.execute(
        "UPDATE audit_events SET action = 'user.untag' WHERE action = 'user.tag'; \
         INSERT INTO audit_chain_queue (event_id) SELECT event_id FROM audit_chain_links ORDER BY position; \
         DELETE FROM audit_chain_links",
    );
    while app.db().write_now(|tx| Ok(seal(tx, &foreign)?)).unwrap() {}
    let tampering = expect_tampered(&app);
    assert_eq!(
        (tampering.kind, tampering.position),
        (TamperingKind::Foreign, Some(1))
    );
}

#[test]
fn truncated_log_does_not_match_the_recorded_head() {
    let (app, user, admin) = start_with_tagged_user(4);
    let noted = expect_intact(&app).head;
    app.execute(&format!(
        "DELETE FROM audit_events WHERE id = (SELECT event_id FROM audit_chain_links WHERE position = {0}); \
         DELETE FROM audit_chain_links WHERE position = {0}",
        noted.position
    ));
    expect_intact(&app);
    let tampering_at = |app: &TestApp| match verify_chain(app, Some(&noted)) {
        ChainReport::Tampered(tampering) => (tampering.kind, tampering.position),
        ChainReport::Intact(intact) => panic!("{intact:?}"),
    };
    assert_eq!(
        tampering_at(&app),
        (TamperingKind::Deleted, Some(noted.position))
    );
    add_tag(&app, &admin, &user, "another");
    seal_all(&app);
    expect_intact(&app);
    assert_eq!(
        tampering_at(&app),
        (TamperingKind::Changed, Some(noted.position))
    );
}
