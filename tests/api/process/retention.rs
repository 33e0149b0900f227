//! Deleted accounts are purged after `ROSTERD_PURGE_DELETED_DAYS`.

use crate::support::binary::ServiceProcess;
use crate::support::{TestApp, wait_until};

#[test]
fn deleted_accounts_are_purged_after_the_configured_days() {
    let app = TestApp::start();
    for name in ["chief", "old", "recent", "active"] {
        let role = if name == "chief" {
            "SuperAdmin"
        } else {
            "User"
        };
        app.create_user(name, role, &[]);
    }
    app.execute(
        "UPDATE users SET deleted_at = now() - interval '8 days' WHERE username = 'old';
         UPDATE users SET deleted_at = now() - interval '6 days' WHERE username = 'recent'",
    );
    let has = |name: &str| {
        app.query_number(&format!(
            "SELECT count(*) FROM users WHERE username = '{name}'"
        )) == 1
    };
    // Off by default. The first housekeeping has run when this expired link is gone.
    app.execute(
        "INSERT INTO password_reset_tokens (user_id, digest, created_at, expires_at)
         SELECT id, '\\x00', now() - interval '2 days', now() - interval '1 day' FROM users WHERE username = 'active'",
    );
    let without_purging = ServiceProcess::start(&app.binary_settings());
    wait_until(|| app.query_number("SELECT count(*) FROM password_reset_tokens") == 0);
    assert!(has("old"));
    drop(without_purging);

    let mut settings = app.binary_settings();
    settings.push(("ROSTERD_PURGE_DELETED_DAYS".to_owned(), "7".to_owned()));
    let _service = ServiceProcess::start(&settings);
    wait_until(|| !has("old"));
    assert!(has("recent") && has("active") && has("chief"));
    assert_eq!(
        app.query_number(
            "SELECT count(*) FROM audit_events WHERE action = 'user.purge' AND outcome = 'done' AND actor_kind = 'system'"
        ),
        1
    );
}
