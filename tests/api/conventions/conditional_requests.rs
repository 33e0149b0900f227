//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, section 13).

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

const USERS: &str = "/api/v1/users";

#[test]
fn single_resources_have_an_etag_and_support_if_none_match() {
    let app = TestApp::start();
    let (admin_user, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    for path in [
        admin_user.path(""),
        "/api/v1/auth/me".to_owned(),
        "/api/v1/roles/User".to_owned(),
    ] {
        let response = app.get(&path).bearer(&admin).send().expect(200);
        let tag = response.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path} {tag}");
        let get_if_none_match = |tag: &str| {
            app.get(&path)
                .bearer(&admin)
                .header("If-None-Match", tag)
                .send()
        };
        for matching in [
            tag.clone(),
            format!("\"x\", {tag}"),
            "*".to_owned(),
            format!("W/{tag}"),
        ] {
            let response = get_if_none_match(&matching).expect(304);
            assert_eq!(
                (response.text.as_str(), response.header("etag")),
                ("", tag.as_str())
            );
        }
        get_if_none_match("\"1-0000000000000000\"").expect(200);
        let head = app.call("HEAD", &path).bearer(&admin).send().expect(200);
        assert_eq!(
            (head.text.as_str(), head.header("etag")),
            ("", tag.as_str())
        );
    }
    let tag = app
        .get(&admin_user.path(""))
        .bearer(&admin)
        .send()
        .header("etag")
        .to_owned();
    app.get(&admin_user.path(""))
        .header("If-None-Match", &tag)
        .send()
        .expect_problem(401, "auth_required");
    // A user's response contains the permissions of its role, so a change of the role changes the user's ETag.
    app.create_role("Librarian", 1, &[]);
    let user = app.create_user("ada", "Librarian", &[]);
    let before = app
        .get(&user.path(""))
        .bearer(&admin)
        .send()
        .header("etag")
        .to_owned();
    app.execute("UPDATE roles SET permissions = '{users.read}' WHERE name = 'Librarian'");
    crate::support::wait_until(|| {
        app.get(&user.path(""))
            .bearer(&admin)
            .header("If-None-Match", &before)
            .send()
            .status
            == 200
    });
}

// SECURITY: H18
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of preconditions and the expected responses"
)]
fn stale_if_match_is_refused_by_every_change() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let tag = || {
        app.get(&user.path(""))
            .bearer(&admin)
            .send()
            .expect(200)
            .header("etag")
            .to_owned()
    };
    let stale = tag();
    app.patch(&user.path(""))
        .bearer(&admin)
        .header("If-Match", &stale)
        .json(&json!({"displayName": "x"}))
        .send()
        .expect(200);
    let expect_stale = |method: &str, suffix: &str, body: &Value, condition: &str| {
        app.call(method, &user.path(suffix))
            .bearer(&admin)
            .header("If-Match", condition)
            .json(body)
            .send()
            .expect_problem(412, "precondition_failed");
    };
    let calls = [
        ("PATCH", "", json!({"displayName": "y"})),
        ("PATCH", "", json!({})),
        (
            "PATCH",
            "/permissions",
            json!({"permissions": ["users.read"]}),
        ),
        ("POST", "/status", json!({"isActive": false})),
        (
            "POST",
            "/reset-password",
            json!({"newPassword": "nine purple umbrellas in june"}),
        ),
        ("PUT", "/tags/x", json!({})),
        ("DELETE", "/tags/x", json!({})),
        ("DELETE", "/sessions", json!({})),
        ("DELETE", "/password", json!({})),
        ("DELETE", "", json!({})),
        ("DELETE", "?purge=true", json!({})),
        ("POST", "/restore", json!({})),
    ];
    let current = tag();
    for (method, suffix, body) in &calls {
        expect_stale(method, suffix, body, &stale);
    }
    for condition in [
        format!("W/{current}"),
        current.trim_matches('"').to_owned(),
        "\"2\"".to_owned(),
        String::new(),
        "*, *".to_owned(),
    ] {
        expect_stale("PATCH", "", &json!({"displayName": "y"}), &condition);
    }
    assert_eq!(tag(), current, "the account is unchanged");
    for (method, suffix, body) in &calls[..9] {
        let condition = format!("\"other\", {}", tag());
        let response = app
            .call(method, &user.path(suffix))
            .bearer(&admin)
            .header("If-Match", &condition)
            .json(body)
            .send();
        assert!(
            [200, 204].contains(&response.status),
            "{method} {suffix} {}",
            response.text
        );
    }
    app.patch(&user.path(""))
        .bearer(&admin)
        .header("If-Match", "*")
        .json(&json!({"isActive": true}))
        .send()
        .expect(200);
    app.patch(&format!("{USERS}/{}", uuid::Uuid::now_v7()))
        .bearer(&admin)
        .header("If-Match", "*")
        .json(&json!({}))
        .send()
        .expect_problem(404, "not_found");
    // A login changes the ETag, but an edit with the earlier ETag is still accepted.
    app.post(&user.path("/reset-password"))
        .bearer(&admin)
        .json(&json!({"newPassword": PASSWORD}))
        .send()
        .expect(204);
    let before = tag();
    app.sign_in("ada");
    assert_ne!(tag(), before);
    app.delete(&user.path(""))
        .bearer(&admin)
        .header("If-Match", &before)
        .send()
        .expect(204);
}

#[test]
fn change_returns_the_new_etag() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let mut tag = app
        .get(&user.path(""))
        .bearer(&admin)
        .send()
        .header("etag")
        .to_owned();
    for (method, suffix, body) in [
        ("PATCH", "", json!({"displayName": "x"})),
        (
            "PATCH",
            "/permissions",
            json!({"permissions": ["users.read"]}),
        ),
        ("POST", "/status", json!({"isActive": false})),
        ("PUT", "/tags/x", json!({})),
        ("DELETE", "/tags/x", json!({})),
        ("PATCH", "", json!({"attributes": {"a": 1}})),
    ] {
        let response = app
            .call(method, &user.path(suffix))
            .bearer(&admin)
            .header("If-Match", &tag)
            .json(&body)
            .send()
            .expect(200);
        assert_ne!(response.header("etag"), tag);
        response.header("etag").clone_into(&mut tag);
        assert_eq!(
            app.get(&user.path("")).bearer(&admin).send().header("etag"),
            tag
        );
    }
}
