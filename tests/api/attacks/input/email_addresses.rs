//! Malformed email addresses.

use serde_json::json;

use crate::support::TestApp;

use super::USERS;

// SECURITY: D20
#[test]
fn malformed_email_address_is_refused() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    for address in [
        "ada\u{FE6B}example.org",
        "ada\u{FF20}example.org",
        "a@b@example.org",
        "\"a b\"@example.org",
        "\"a@b\"@example.org",
        "ada(comment)@example.org",
        "ada@example.org\r\nBcc: evil@example.org",
        "ada@example.org\nx",
        "ada@exämple.org",
        "аda@example.org",
        "a@example.org,evil@example.net",
        "a@example.org;evil@example.net",
        "a@example.org evil@example.net",
        "Ada <ada@example.org>",
        "<ada@example.org>",
        "mailto:ada@example.org",
        "ada@[127.0.0.1]",
        "ada@localhost",
        "@example.org",
        "ada@",
        "ada",
        "",
        ".ada@example.org",
        "ada.@example.org",
        "a..b@example.org",
        "ada@example..org",
        "ada@-example.org",
        "ada@.example.org",
        "ada@example.org.",
        "ada\u{0}@example.org",
        "ada\u{200b}@example.org",
        "ada\u{2028}@example.org",
        &format!("{}@example.org", "a".repeat(250)),
    ] {
        let response = app
            .patch(&user.path(""))
            .bearer(&admin)
            .json(&json!({ "email": address }))
            .send();
        let response = response.expect_problem(400, "request_invalid");
        assert_eq!(response.body["errors"][0]["pointer"], "/email", "{address}");
        let body = json!({"username": "grace", "role": "User", "email": address});
        app.post(USERS)
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_problem(400, "request_invalid");
    }
    for address in [
        "ada@example.org",
        "ada+tag@example.org",
        "a.d-a_1@mail.example.co.uk",
        "o'neil@example.org",
        "ada@xn--exmple-cua.org",
        " ada@example.org\t",
    ] {
        let updated = app
            .patch(&user.path(""))
            .bearer(&admin)
            .json(&json!({ "email": address }))
            .send()
            .expect(200);
        assert_eq!(updated.data()["email"], address.trim());
    }
}
