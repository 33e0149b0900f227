//! Alternative spellings of a path, and headers that replace the path or the method.

use crate::support::TestApp;

// SECURITY: C10
#[test]
fn alternative_url_spelling_does_not_bypass_authorization() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &[]);
    let user_id = &user.id;
    let before = app.database_hash();
    for path in [
        "//api/v1/users".to_owned(),
        "/api//v1/users".to_owned(),
        "/api/v1/users/".to_owned(),
        "/api/v1/users/.".to_owned(),
        "/api/v1/./users".to_owned(),
        "/api/v1/auth/../users".to_owned(),
        "/api/v1/auth/%2e%2e/users".to_owned(),
        "/api/v1/auth/me/..%2f..%2fusers".to_owned(),
        "/api/v1/Users".to_owned(),
        "/API/v1/users".to_owned(),
        "/api/v1/users;x=1".to_owned(),
        "/api/v1/users%00".to_owned(),
        "/api/v1/users%20".to_owned(),
        "/api/v1/users%2f".to_owned(),
        "/api/v1/users%c0%af".to_owned(),
        "/api/v1/%75sers".to_owned(),
        "/api/v1/use%72s".to_owned(),
        format!("/api/v1/users/{user_id}%2f"),
        format!("/api/v1/users/{user_id}/"),
        format!("/api/v1/users/{user_id};"),
        format!("/api/v1/users/{user_id}%00"),
        format!("/api/v1/users/%7b{user_id}%7d"),
        "/api/v1/roles/..%2fusers".to_owned(),
        "/api/v1/users?x=/auth/me".to_owned(),
        "/api/v1/users#/auth/me".to_owned(),
    ] {
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE"] {
            let anonymous = app.call(method, &path).send();
            assert!(
                [401, 404, 405].contains(&anonymous.status),
                "{method} {path} {}",
                anonymous.status
            );
            let powerless = app.call(method, &path).bearer(&token).send();
            assert!(
                [403, 404, 405].contains(&powerless.status),
                "{method} {path} {}",
                powerless.status
            );
        }
    }
    assert_eq!(app.database_hash(), before);
    for header in [
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
    ] {
        let value = if header == "X-HTTP-Method-Override" {
            "DELETE"
        } else {
            "/api/v1/users"
        };
        app.get(&user.path(""))
            .bearer(&token)
            .header(header, value)
            .send()
            .expect_problem(403, "permission_required");
        app.get("/nowhere")
            .bearer(&token)
            .header(header, value)
            .send()
            .expect_problem(404, "not_found");
    }
}
