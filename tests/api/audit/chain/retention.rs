//! Purges and the removal of expired rows.

use rosterd::audit::chain::TamperingKind;
use rosterd::audit::chain::service::expire;

use crate::support::binary::rosterd_command;
use crate::support::{TestApp, wait_until};

use super::{
    add_tag, events, expect_intact, expect_tampered, seal_all, start_with_tagged_user, vault,
};

#[test]
fn purge_does_not_break_the_chain() {
    let (app, user, admin) = start_with_tagged_user(2);
    app.delete(&format!("{}?purge=true", user.path("")))
        .bearer(&admin)
        .send()
        .expect(204);
    seal_all(&app);
    assert_eq!(expect_intact(&app).rows, events(&app));
}

#[test]
fn expired_rows_are_removed_and_the_chain_stays_valid() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    add_tag(&app, &admin, &user, "old");
    // Backdates the rows.
    app.execute("UPDATE audit_events SET at = at - interval '40 days'");
    let old_rows = events(&app);
    add_tag(&app, &admin, &user, "new");
    seal_all(&app);
    let before = expect_intact(&app);
    let expire_rows = |days| {
        app.db()
            .write_now(|tx| Ok(expire(tx, &vault(), days)?))
            .unwrap()
    };
    assert!(!expire_rows(41), "no row is that old");
    assert!(expire_rows(39) && !expire_rows(39));
    seal_all(&app);
    let after = expect_intact(&app);
    assert_eq!(
        after.rows,
        before.rows - old_rows + 1,
        "the removal adds one audit row"
    );
    assert_eq!(after.head.position, before.head.position + 1);
    let expired_count = "SELECT before->>'rows' FROM audit_events WHERE action = 'audit.expire' AND actor_kind = 'system'";
    assert_eq!(app.query_number(expired_count), old_rows);
    assert_eq!(app.query_number("SELECT count(*) FROM audit_personal_data p LEFT JOIN audit_events e ON e.id = p.event_id WHERE e.id IS NULL"), 0);
    // An anchor that is written without the key is reported.
    app.execute(
        "WITH gone AS (DELETE FROM audit_chain_links WHERE position = (SELECT min(position) FROM audit_chain_links) RETURNING *), \
         event AS (DELETE FROM audit_events USING gone WHERE id = event_id) \
         INSERT INTO audit_chain_anchors (position, hash, mac) SELECT position, hash, mac FROM gone",
    );
    assert_eq!(expect_tampered(&app).kind, TamperingKind::Foreign);
}

#[test]
fn service_seals_and_expires_rows_in_the_background() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    add_tag(&app, &admin, &user, "old");
    app.execute("UPDATE audit_events SET at = at - interval '40 days'");
    seal_all(&app);
    add_tag(&app, &admin, &user, "new");
    let mut settings = app.binary_settings();
    settings.push(("ROSTERD_ADDR".to_owned(), "127.0.0.1:0".to_owned()));
    let public_url = "https://id.example.org";
    settings.push(("ROSTERD_PUBLIC_URL".to_owned(), public_url.to_owned()));
    settings.push(("ROSTERD_AUDIT_RETENTION_DAYS".to_owned(), "30".to_owned()));
    let mut service = rosterd_command(&["serve"], &settings)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| {
        app.query_number("SELECT count(*) FROM audit_events WHERE at < now() - interval '30 days'")
            == 0
            && app.query_number("SELECT count(*) FROM audit_chain_queue") == 0
    });
    service.kill().unwrap();
    service.wait().unwrap();
    expect_intact(&app);
}
