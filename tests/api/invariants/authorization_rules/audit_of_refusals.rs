//! Refusals in the audit log.

use serde_json::json;

use super::{USERS, call};
use crate::support::{PASSWORD, TestApp};

#[test]
fn each_refusal_by_a_rule_adds_one_audit_row() {
    let app = TestApp::start();
    let (own, admin) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("target", "User", &[]);
    let peer = app.create_user("peer", "Admin", &[]);
    let super_admin = app.create_user("boss", "SuperAdmin", &[]);
    let refusals = "SELECT count(*) FROM audit_events WHERE outcome = 'refused'";
    let mut expected = 0;
    for (method, path, body, code, subject) in [
        (
            "PATCH",
            own.path(""),
            r#"{"role": "User"}"#,
            "user_self_role_change_forbidden",
            Some(&own),
        ),
        (
            "POST",
            super_admin.path("/status"),
            r#"{"isActive": false}"#,
            "user_super_admin_forbidden",
            Some(&super_admin),
        ),
        (
            "DELETE",
            peer.path(""),
            "",
            "user_manage_forbidden",
            Some(&peer),
        ),
        (
            "PATCH",
            user.path("/permissions"),
            r#"{"permissions": ["roles.manage"]}"#,
            "permission_not_held",
            Some(&user),
        ),
        (
            "POST",
            USERS.to_owned(),
            r#"{"username": "made", "role": "SuperAdmin"}"#,
            "user_super_admin_forbidden",
            None,
        ),
    ] {
        call(&app, &admin, method, &path, body).expect_problem(403, code);
        expected += 1;
        assert_eq!(app.query_number(refusals), expected, "{code}");
        let matching_rows = format!(
            "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND code = '{code}' AND actor_id = '{}' AND subject_id IS NOT DISTINCT FROM {}",
            own.id,
            subject.map_or("NULL".to_owned(), |user| format!("'{}'", user.id))
        );
        assert_eq!(app.query_number(&matching_rows), 1, "{code}");
    }
    // A successful change adds a row too. No row contains a password or a hash.
    let reset = json!({"newPassword": "nine purple umbrellas in june"});
    app.post(&user.path("/reset-password"))
        .bearer(&admin)
        .json(&reset)
        .send()
        .expect(204);
    let secrets = format!(
        "SELECT (SELECT count(*) FROM audit_events e WHERE e::text ~ 'umbrella|argon2|{PASSWORD}') + (SELECT count(*) FROM audit_personal_data p WHERE p::text ~ 'umbrella|argon2|{PASSWORD}')"
    );
    assert_eq!(app.query_number(&secrets), 0);
    assert_eq!(app.query_number("SELECT count(*) FROM audit_events WHERE action = 'user.password.reset' AND outcome = 'done'"), 1);
}
