//! The order of errors when a request is wrong in several ways.

use super::USERS;
use crate::support::TestApp;

/// 401, 403 for a missing permission, 400, 404, 403 by rule (own account, SuperAdmin, rank, permission not held), 412,
/// 409.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one sequence, from the first error to the last"
)]
fn errors_are_reported_in_a_fixed_order() {
    let app = TestApp::start();
    app.create_role("Fixer", 10, &["roles.manage"]);
    let unknown_user = format!("{USERS}/{}", uuid::Uuid::now_v7());
    let (own, admin) = app.create_signed_in_user("Admin", &[]);
    let (super_admin, _) = app.create_signed_in_user("SuperAdmin", &[]);
    let user = app.create_user("target", "User", &["clients.manage"]);
    let peer = app.create_user("peer", "Admin", &[]);
    let (_, updater) = app.create_signed_in_user("User", &["users.update", "users.create"]);
    let powerless = app.token("target");
    let send = |caller: &str, method: &str, path: &str, body: &str, if_match: &str| {
        let mut call = app.call(method, path).bearer(caller);
        if !if_match.is_empty() {
            call = call.header("If-Match", if_match);
        }
        call.body("application/json", body).send()
    };
    let stale = "\"99-0000000000000000\"";
    // A missing token (401) and a missing permission (403) are reported before the body is read.
    app.patch(&unknown_user)
        .body("application/json", "{")
        .send()
        .expect_problem(401, "auth_required");
    app.patch(&unknown_user)
        .body("text/plain", vec![b'x'; 2 << 20])
        .send()
        .expect_problem(401, "auth_required");
    send("bad", "PATCH", &unknown_user, "{", "").expect_problem(401, "auth_token_invalid");
    send(&powerless, "PATCH", &unknown_user, "{", "").expect_problem(403, "permission_required");
    // The permission for a member before the names in the body, and those before the lookup of the account.
    send(
        &updater,
        "PATCH",
        &unknown_user,
        r#"{"isActive": false, "role": "Nobody"}"#,
        "",
    )
    .expect_problem(403, "permission_required");
    send(
        &updater,
        "POST",
        USERS,
        r#"{"username": "made", "role": "Nobody", "permissions": ["no.where"]}"#,
        "",
    )
    .expect_problem(403, "permission_required");
    // 400, 413, 415 before 404.
    send(&admin, "PATCH", &unknown_user, "{", "").expect_problem(400, "request_invalid");
    send(&admin, "PATCH", &unknown_user, r#"{"role": "Nobody"}"#, "")
        .expect_field_error("/role", "role_unknown");
    send(
        &admin,
        "PATCH",
        &format!("{unknown_user}/permissions"),
        r#"{"permissions": ["no.where"]}"#,
        "",
    )
    .expect_problem(400, "permission_unknown");
    send(
        &admin,
        "POST",
        &format!("{unknown_user}/reset-password"),
        r#"{"newPassword": "short"}"#,
        "",
    )
    .expect_field_error("/newPassword", "too_short");
    send(&admin, "PUT", &format!("{unknown_user}/tags/a%20b"), "", "")
        .expect_problem(400, "request_invalid");
    send(&admin, "DELETE", &format!("{unknown_user}?x=1"), "", "")
        .expect_field_error("?x", "unknown_parameter");
    app.patch(&unknown_user)
        .bearer(&admin)
        .body("text/plain", "{}")
        .send()
        .expect_problem(415, "unsupported_media_type");
    app.patch(&unknown_user)
        .bearer(&admin)
        .body("application/json", vec![b' '; (1 << 20) + 1])
        .send()
        .expect_problem(413, "payload_too_large");
    // 404 before 412.
    send(&admin, "PATCH", &unknown_user, "{}", stale).expect_problem(404, "not_found");
    // 400 before 403 by rule.
    send(&admin, "PATCH", &own.path(""), r#"{"role": "Nobody"}"#, "")
        .expect_field_error("/role", "role_unknown");
    send(
        &admin,
        "PATCH",
        &super_admin.path("/permissions"),
        r#"{"permissions": ["no.where"]}"#,
        "",
    )
    .expect_problem(400, "permission_unknown");
    // The order of the rules: own account, SuperAdmin, rank, permission not held.
    send(
        &admin,
        "PATCH",
        &own.path(""),
        r#"{"role": "SuperAdmin"}"#,
        stale,
    )
    .expect_problem(403, "user_self_role_change_forbidden");
    send(
        &admin,
        "PATCH",
        &peer.path(""),
        r#"{"role": "SuperAdmin"}"#,
        stale,
    )
    .expect_problem(403, "user_super_admin_forbidden");
    send(
        &admin,
        "PATCH",
        &peer.path(""),
        r#"{"role": "Fixer"}"#,
        stale,
    )
    .expect_problem(403, "user_manage_forbidden");
    send(
        &admin,
        "PATCH",
        &user.path(""),
        r#"{"role": "Fixer", "email": "x@example.org"}"#,
        stale,
    )
    .expect_problem(403, "user_manage_forbidden");
    send(
        &admin,
        "PATCH",
        &user.path(""),
        r#"{"role": "Fixer"}"#,
        stale,
    )
    .expect_problem(403, "permission_not_held");
    // A forbidden action (403) is reported before a stale `If-Match` (412), and that before a conflict (409).
    send(
        &admin,
        "PATCH",
        &peer.path(""),
        r#"{"displayName": "x"}"#,
        stale,
    )
    .expect_problem(403, "user_manage_forbidden");
    send(
        &admin,
        "PATCH",
        &user.path(""),
        r#"{"username": "peer"}"#,
        stale,
    )
    .expect_problem(412, "precondition_failed");
    send(
        &admin,
        "PATCH",
        &user.path(""),
        r#"{"username": "peer"}"#,
        "",
    )
    .expect_problem(409, "user_username_conflict");
    // Another SuperAdmin, which will expire, so that the first one is the last.
    let (other, other_token) = app.create_signed_in_user("SuperAdmin", &[]);
    app.execute(&format!(
        "UPDATE users SET expires_at = now() + interval '1 hour' WHERE id = '{}'",
        other.id
    ));
    let path = super_admin.path("/password");
    send(&other_token, "DELETE", &path, "", stale).expect_problem(412, "precondition_failed");
    send(&other_token, "DELETE", &path, "", "").expect_problem(409, "last_super_admin");
}
