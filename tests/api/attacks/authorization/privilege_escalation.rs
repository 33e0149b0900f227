//! Attempts to gain permissions or to control higher-ranked accounts.

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

use super::{NEW_PASSWORD, USERS};

// SECURITY: C02
#[test]
fn admin_cannot_take_over_a_super_admin() {
    let app = TestApp::start();
    app.create_user("second", "SuperAdmin", &[]);
    let super_admin = app.create_user("boss", "SuperAdmin", &[]);
    let session = app.sign_in("boss");
    let (admin_user, admin) = app.create_signed_in_user(
        "Admin",
        &["roles.manage", "clients.manage", "webhooks.manage"],
    );
    let before = app.query_text("SELECT users::text FROM users WHERE username = 'boss'");
    let mut refused = 0;
    for (method, suffix, body) in [
        (
            "POST",
            "/reset-password",
            json!({"newPassword": NEW_PASSWORD}),
        ),
        ("POST", "/password-reset-link", json!({})),
        ("PATCH", "", json!({"email": "evil@example.org"})),
        (
            "PATCH",
            "",
            json!({"email": "evil@example.org", "emailConfirmed": true}),
        ),
        ("PATCH", "", json!({"username": "bossy"})),
        ("PATCH", "", json!({"authProvider": "evil", "authId": "1"})),
        ("PATCH", "", json!({"mustChangePassword": true})),
        ("PATCH", "/permissions", json!({"permissions": []})),
        ("DELETE", "/password", json!({})),
        ("DELETE", "/sessions", json!({})),
        ("POST", "/status", json!({"isActive": false})),
        ("PUT", "/tags/x", json!({})),
        ("DELETE", "", json!({})),
        ("DELETE", "?purge=true", json!({})),
        ("POST", "/restore", json!({})),
        ("POST", "/tokens", json!({"name": "x", "permissions": []})),
        ("DELETE", "/password-reset-link", json!({})),
    ] {
        let call = || {
            app.call(method, &super_admin.path(suffix))
                .bearer(&admin)
                .json(&body)
                .send()
        };
        app.expect_unchanged(1, call).expect_safe().expect(403);
        refused += 1;
        let refused_events = format!(
            "SELECT count(*) FROM audit_events WHERE outcome = 'refused' AND actor_id = '{}' AND subject_id = '{}'",
            admin_user.id, super_admin.id
        );
        assert_eq!(
            app.query_number(&refused_events),
            refused,
            "{method} {suffix}"
        );
    }
    assert_eq!(
        app.query_text("SELECT users::text FROM users WHERE username = 'boss'"),
        before
    );
    app.get("/api/v1/auth/me")
        .bearer(session["accessToken"].as_str().unwrap())
        .send()
        .expect(200);
}

// SECURITY: C03
#[test]
fn caller_cannot_grant_permissions_they_do_not_hold() {
    let app = TestApp::start();
    app.create_role("Publisher", 50, &["webhooks.manage"]);
    let (admin_user, admin) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("ada", "User", &[]);
    for names in [
        json!(["users.*"]),
        json!(["*"]),
        json!([""]),
        json!(["users"]),
        json!(["Users.read"]),
    ] {
        let body = json!({ "permissions": names });
        let call = || {
            app.patch(&user.path("/permissions"))
                .bearer(&admin)
                .json(&body)
                .send()
        };
        app.expect_unchanged(0, call)
            .expect_safe()
            .expect_problem(400, "permission_unknown");
    }
    for (path, body, code) in [
        (
            user.path("/permissions"),
            json!({"permissions": ["roles.manage"]}),
            "permission_not_held",
        ),
        (
            user.path("/permissions"),
            json!({"permissions": ["users.read", "clients.manage"]}),
            "permission_not_held",
        ),
        (
            user.path(""),
            json!({"role": "Publisher"}),
            "permission_not_held",
        ),
        (
            user.path(""),
            json!({"role": "SuperAdmin"}),
            "user_super_admin_forbidden",
        ),
        (
            admin_user.path("/permissions"),
            json!({"permissions": ["users.read"]}),
            "user_self_permissions_forbidden",
        ),
        (
            admin_user.path(""),
            json!({"role": "Publisher"}),
            "user_self_role_change_forbidden",
        ),
    ] {
        let call = || app.patch(&path).bearer(&admin).json(&body).send();
        app.expect_unchanged(1, call)
            .expect_safe()
            .expect_problem(403, code);
    }
    // A second account created by the admin cannot pass more permissions on.
    let accomplice = json!({"username": "eve", "role": "User", "password": PASSWORD, "permissions": ["users.managePermissions", "users.update"]});
    app.post(USERS)
        .bearer(&admin)
        .json(&accomplice)
        .send()
        .expect(201);
    let eve = app.token("eve");
    app.patch(&admin_user.path("/permissions"))
        .bearer(&eve)
        .json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect_problem(403, "user_manage_forbidden");
    app.patch(&user.path("/permissions"))
        .bearer(&eve)
        .json(&json!({"permissions": ["users.read"]}))
        .send()
        .expect_problem(403, "permission_not_held");
    app.patch(&user.path(""))
        .bearer(&eve)
        .json(&json!({"role": "Publisher"}))
        .send()
        .expect_problem(403, "user_manage_forbidden");
    assert_eq!(app.query_number("SELECT count(*) FROM users WHERE permissions && '{roles.manage,clients.manage,webhooks.manage}' OR role = 'Publisher'"), 0);
}

// SECURITY: C16
#[test]
fn bulk_change_skips_forbidden_accounts_and_reports_each() {
    let app = TestApp::start();
    let (admin_user, admin) = app.create_signed_in_user("Admin", &[]);
    let super_admin = app.create_user("boss", "SuperAdmin", &[]);
    app.create_user("second", "SuperAdmin", &[]);
    let mut ids: Vec<String> = (0..97)
        .map(|number| app.create_user(&format!("many-{number}"), "User", &[]).id)
        .collect();
    let forbidden = [
        &super_admin.id,
        &admin_user.id,
        &uuid::Uuid::now_v7().to_string(),
    ]
    .map(String::clone);
    for (position, id) in [(0, 0), (50, 1), (99, 2)] {
        ids.insert(position, forbidden[id].clone());
    }
    for (body, code) in [
        (json!({"action": "disable"}), "user_super_admin_forbidden"),
        (
            json!({"action": "setRole", "role": "Admin"}),
            "user_super_admin_forbidden",
        ),
        (json!({"action": "delete"}), "user_super_admin_forbidden"),
    ] {
        let before = app.audit_row_count();
        let mut body = body;
        body["ids"] = json!(ids);
        let response = app
            .post("/api/v1/users/bulk")
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_safe();
        let results = response.expect(200).data()["items"].clone();
        let results = results.as_array().unwrap().clone();
        assert_eq!(results.len(), 100);
        for (result, id) in results.iter().zip(&ids) {
            assert_eq!(result["id"], json!(id), "results are in request order");
            let is_refused = forbidden.contains(id) || body["action"] == "setRole";
            assert_eq!(result["outcome"] == "refused", is_refused, "{result}");
            assert_eq!(result["code"].is_null(), !is_refused);
        }
        assert_eq!(results[0]["code"], code);
        assert_eq!(results[99]["code"], "not_found");
        let changed_protected_accounts = "SELECT count(*) FROM users WHERE role <> 'User' AND (NOT is_active OR deleted_at IS NOT NULL)";
        assert_eq!(app.query_number(changed_protected_accounts), 0);
        // One audit row for each existing account.
        assert_eq!(app.audit_row_count() - before, 99, "{}", body["action"]);
    }
    // A missing permission or an invalid request changes no account at all.
    let (_, powerless) = app.create_signed_in_user("User", &["users.read", "users.update"]);
    for (token, body, status) in [
        (&powerless, json!({"action": "disable", "ids": ids}), 403),
        (
            &powerless,
            json!({"action": "delete", "filter": {"role": "User"}}),
            403,
        ),
        (
            &admin,
            json!({"action": "setRole", "role": "NoSuchRole", "ids": ids}),
            400,
        ),
        (
            &admin,
            json!({"action": "enable", "ids": vec![&super_admin.id; 2000]}),
            400,
        ),
        (&admin, json!({"action": "enable"}), 400),
        (&admin, json!({"action": "enable", "ids": ["x"]}), 400),
        (&admin, json!({"action": "makeSuperAdmin", "ids": ids}), 400),
    ] {
        let call = || {
            app.post("/api/v1/users/bulk")
                .bearer(token)
                .json(&body)
                .send()
        };
        // A missing permission is recorded in the audit log.
        let audit_rows = i64::from(status == 403);
        app.expect_unchanged(audit_rows, call)
            .expect_safe()
            .expect(status);
    }
    let dry_run = json!({"action": "enable", "ids": ids, "dryRun": true});
    app.expect_unchanged(0, || {
        app.post("/api/v1/users/bulk")
            .bearer(&admin)
            .json(&dry_run)
            .send()
    })
    .expect(200);
}
