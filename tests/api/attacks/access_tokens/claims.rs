//! Missing, malformed, expired or foreign claims and types.

use serde_json::{Value, json};

use crate::support::{TestApp, wait_until};

use super::{USERS, assert_rejected, me, start_with_forge};

// SECURITY: B05
#[test]
fn missing_or_malformed_claims_are_rejected() {
    let (app, _, forge) = start_with_forge();
    let expiry = forge.claim("exp");
    for name in ["exp", "nbf", "iat"] {
        for value in [
            format!("\"{expiry}\""),
            format!("{expiry}.5"),
            format!("{expiry}.0"),
            "1e300".to_owned(),
            "-1".to_owned(),
            "-9223372036854775808".to_owned(),
            "9223372036854775807".to_owned(),
            "9223372036854775808".to_owned(),
            "18446744073709551616".to_owned(),
            "null".to_owned(),
            format!("[{expiry}]"),
            format!("{{\"n\":{expiry}}}"),
            "true".to_owned(),
            "\"never\"".to_owned(),
            "\"\"".to_owned(),
        ] {
            // A token with a valid signature may claim to expire in the far future; issuing such a token would be the defect.
            if (name, value.as_str()) != ("exp", "9223372036854775807") {
                let token = forge.with_claim(name, Some(&value));
                let response = me(&app, &token);
                assert_eq!(response.status, 401, "{name} {value}");
            }
        }
        // Duplicate members are rejected.
        let with_duplicate = forge
            .claims
            .to_string()
            .replacen('{', &format!("{{\"{name}\":1,"), 1);
        if name != "nbf" {
            assert_rejected(
                &app,
                &forge.sign(&forge.header().to_string(), &with_duplicate),
            );
        }
    }
    for name in ["exp", "iat", "iss", "aud", "sub", "sid", "client_id", "jti"] {
        assert_rejected(&app, &forge.with_claim(name, None));
        for value in ["null", "-1", "[]", "{}", "true"] {
            assert_rejected(&app, &forge.with_claim(name, Some(value)));
        }
    }
    for name in ["iss", "aud", "sub", "sid", "jti"] {
        assert_rejected(&app, &forge.with_claim(name, Some("\"\"")));
    }
    for claims in ["", "null", "[]", "\"x\"", "{", "{}", "{}{}", "\u{feff}{}"] {
        assert_rejected(&app, &forge.sign(&forge.header().to_string(), claims));
    }
}

// SECURITY: B06
#[test]
fn expired_or_not_yet_valid_token_is_rejected() {
    let (app, _, forge) = start_with_forge();
    let seconds = || app.query_number("SELECT floor(extract(epoch FROM clock_timestamp()))");
    let now = seconds();
    for (name, value) in [
        ("exp", now - 31),
        ("exp", now - 1),
        ("exp", now),
        ("nbf", now + 31),
        ("iat", now + 40),
        ("iat", now + 86_400),
    ] {
        assert_rejected(&app, &forge.with_claim(name, Some(&value.to_string())));
    }
    for (name, value) in [("exp", now + 60), ("nbf", now - 1), ("iat", now)] {
        me(&app, &forge.with_claim(name, Some(&value.to_string()))).expect(200);
    }
    // A token that was accepted and cached also expires.
    let expiring = forge.with_claim("exp", Some(&(seconds() + 2).to_string()));
    me(&app, &expiring).expect(200);
    wait_until(|| me(&app, &expiring).status == 401);
}

// SECURITY: B06
#[test]
fn token_with_another_issuer_or_audience_is_rejected() {
    let (app, _, forge) = start_with_forge();
    let (issuer, audience) = (&forge.claims["iss"], &forge.claims["aud"]);
    for value in [
        json!("https://id.example.org/"),
        json!("https://ID.example.org"),
        json!("http://id.example.org"),
        json!("https://id.example.org.evil.example"),
        json!("https://evil.example"),
        json!([issuer]),
        json!([issuer, "https://evil.example"]),
        audience.clone(),
    ] {
        assert_rejected(&app, &forge.with_claim("iss", Some(&value.to_string())));
    }
    for value in [
        json!("Rosterd"),
        json!("rosterd2"),
        json!("rosterd "),
        json!(["other"]),
        json!(["other", "more"]),
        issuer.clone(),
    ] {
        assert_rejected(&app, &forge.with_claim("aud", Some(&value.to_string())));
    }
}

// SECURITY: B08
#[test]
fn token_with_another_typ_is_rejected() {
    let (app, _, forge) = start_with_forge();
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("at+JWT"),
        json!("AT+JWT"),
        json!("at+jwt "),
        json!("at-jwt"),
        json!("at%2Bjwt"),
        json!("change+jwt"),
        json!("application/JWT"),
        json!("application/application/at+jwt"),
        json!("application/change+jwt"),
        json!("text/at+jwt"),
        json!("refresh+jwt"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        let mut header = forge.header();
        header["typ"] = typ;
        assert_rejected(&app, &forge.with_header(&header));
    }
    assert_rejected(
        &app,
        &forge.with_header(&json!({"alg": "ES256", "kid": forge.kid})),
    );
    let mut header = forge.header();
    header["typ"] = json!("application/at+jwt");
    me(&app, &forge.with_header(&header)).expect(200);
    // An access token cannot be relabelled as a change token.
    let body = json!({"currentPassword": "x", "newPassword": "nine purple umbrellas in june"});
    let mut header = forge.header();
    header["typ"] = json!("change+jwt");
    app.post("/api/v1/auth/change-password")
        .bearer(forge.with_header(&header))
        .json(&body)
        .send()
        .expect_safe()
        .expect_problem(401, "auth_token_invalid");
}

// SECURITY: B10
#[test]
fn token_of_another_or_ended_account_is_rejected() {
    let (app, ada, forge) = start_with_forge();
    let (other, _) = app.create_signed_in_user("SuperAdmin", &[]);
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(&forge.valid_token)
        .json(&json!({"name": "x", "permissions": []}))
        .send()
        .expect(201);
    for subject in [
        json!(other.id),
        json!(uuid::Uuid::now_v7()),
        json!(uuid::Uuid::nil()),
        forge.claims["sid"].clone(),
        created.data()["id"].clone(),
        json!("rosterd"),
        json!("ada"),
        json!(format!("user:{}", ada.id)),
    ] {
        assert_rejected(&app, &forge.with_claim("sub", Some(&subject.to_string())));
    }
    let other_session = app.sign_in(&other.username)["session"]["id"].clone();
    for session in [
        other_session,
        json!(uuid::Uuid::now_v7()),
        json!(ada.id),
        created.data()["id"].clone(),
    ] {
        assert_rejected(&app, &forge.with_claim("sid", Some(&session.to_string())));
    }
    let changes = [
        ("is_active = false", "is_active = true"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("expires_at = now()", "expires_at = NULL"),
    ];
    for (ending, undo) in changes {
        let update_ada = |change: &str| {
            app.execute(&format!("UPDATE users SET {change} WHERE username = 'ada'"));
        };
        update_ada(ending);
        // The change bypasses the service, so the cache learns of it by notification.
        wait_until(|| me(&app, &forge.valid_token).status == 401);
        assert_rejected(
            &app,
            &forge.with_claim("jti", Some("\"01900000-0000-7000-8000-000000000000\"")),
        );
        update_ada(undo);
        wait_until(|| me(&app, &forge.valid_token).status == 200);
    }
}

/// A removed permission is refused on the next request here, and soon on the other replica. The claims of the token do not
/// count.
// SECURITY: B11
#[test]
fn revoked_permission_is_refused_on_the_next_request() {
    let app = TestApp::start();
    let replica = app.start_replica();
    let admin = app.super_admin_token();
    app.create_role("Reader", 10, &["users.read"]);
    let user = app.create_user("ada", "User", &[]);
    let update_user = |body: Value| {
        let suffix = if body.get("permissions").is_some() {
            "/permissions"
        } else {
            ""
        };
        app.patch(&user.path(suffix))
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    let update_role = |names: Value| {
        let body = json!({ "permissions": names });
        app.patch("/api/v1/roles/Reader")
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(200);
    };
    let list_status =
        |token: &str, app: &TestApp| app.get(USERS).bearer(token).send().expect_safe().status;
    for (grant, revocation) in [
        (
            json!({"permissions": ["users.read"]}),
            json!({"permissions": []}),
        ),
        (json!({"role": "Reader"}), json!({"role": "User"})),
        (json!({"role": "Admin"}), json!({"role": "User"})),
    ] {
        update_user(grant);
        let token = app.token("ada");
        assert_eq!(
            (list_status(&token, &app), list_status(&token, &replica)),
            (200, 200)
        );
        update_user(revocation);
        assert_eq!(list_status(&token, &app), 403);
        wait_until(|| list_status(&token, &replica) == 403);
    }
    update_user(json!({"role": "Reader"}));
    let token = app.token("ada");
    assert_eq!(
        (list_status(&token, &app), list_status(&token, &replica)),
        (200, 200)
    );
    update_role(json!([]));
    assert_eq!(list_status(&token, &app), 403);
    wait_until(|| list_status(&token, &replica) == 403);
    update_role(json!(["users.read"]));
    assert_eq!(
        list_status(&token, &app),
        200,
        "a granted permission counts at once"
    );
}
