//! The same attacks with access tokens of service clients.

use serde_json::json;

use crate::support::TestApp;

use super::{TokenForge, USERS, assert_rejected, create_client};

/// Starts the service with a service client and a valid access token of it.
fn start_with_client_forge() -> (TestApp, String, TokenForge) {
    let app = TestApp::start();
    let (id, token) = create_client(&app);
    let forge = TokenForge::from_token(&app, token);
    for token in [&forge.valid_token, &forge.with_header(&forge.header())] {
        app.get(USERS).bearer(token).send().expect(200);
    }
    (app, id, forge)
}

// SECURITY: B10
#[test]
fn client_tokens_and_account_tokens_are_not_interchangeable() {
    let (app, id, forge) = start_with_client_forge();
    let ada = app.create_user("ada", "SuperAdmin", &[]);
    let (other, other_forge) = create_client(&app);
    let other_forge = TokenForge::from_token(&app, other_forge);
    let account_forge = TokenForge::new(&app, "ada");
    let quoted = |text: &str| format!("\"{text}\"");
    for sub in [
        id.clone(),
        ada.id.clone(),
        other.clone(),
        format!("client:{}", ada.id),
        format!("client:{other}"),
        format!("Client:{id}"),
        format!("client: {id}"),
        format!("client:client:{id}"),
        "client:".to_owned(),
        format!("client:{{{id}}}"),
        format!("client:{}", id.replace('-', "")),
        format!("client:{}", uuid::Uuid::now_v7()),
    ] {
        assert_rejected(&app, &forge.with_claim("sub", Some(&quoted(&sub))));
    }
    // `sid` of another session, grant, client or account.
    for sid in [
        account_forge.claims["sid"].to_string(),
        other_forge.claims["sid"].to_string(),
        quoted(&id),
        quoted(&ada.id),
    ] {
        assert_rejected(&app, &forge.with_claim("sid", Some(&sid)));
    }
    // An account token with the subject or grant of a client.
    for sub in [
        format!("client:{id}"),
        format!("client:{}", ada.id),
        id.clone(),
    ] {
        assert_rejected(&app, &account_forge.with_claim("sub", Some(&quoted(&sub))));
    }
    assert_rejected(
        &app,
        &account_forge.with_claim("sid", Some(&forge.claims["sid"].to_string())),
    );
    // The permission and role claims grant nothing.
    let all_permissions = json!(["users.read", "roles.read", "clients.manage"]).to_string();
    let with_all_permissions = forge.with_claim("permissions", Some(&all_permissions));
    app.get("/api/v1/roles")
        .bearer(&with_all_permissions)
        .send()
        .expect_problem(403, "permission_required");
    let with_role = forge.with_claim("role", Some("\"SuperAdmin\""));
    app.get("/api/v1/roles")
        .bearer(&with_role)
        .send()
        .expect_problem(403, "permission_required");
}

// SECURITY: B02, B05, B08
#[test]
fn forged_or_malformed_client_token_is_rejected() {
    let (app, _, forge) = start_with_client_forge();
    for name in [
        "exp",
        "iat",
        "iss",
        "aud",
        "sub",
        "sid",
        "client_id",
        "jti",
        "scope",
        "permissions",
    ] {
        assert_rejected(&app, &forge.with_claim(name, None));
        for value in ["null", "-1", "{}", "true"] {
            assert_rejected(&app, &forge.with_claim(name, Some(value)));
        }
    }
    let now = app.query_number("SELECT floor(extract(epoch FROM clock_timestamp()))");
    for (name, value) in [("exp", now), ("nbf", now + 31), ("iat", now + 40)] {
        assert_rejected(&app, &forge.with_claim(name, Some(&value.to_string())));
    }
    assert_rejected(&app, &forge.with_claim("aud", Some("\"other\"")));
    assert_rejected(
        &app,
        &forge.with_claim("iss", Some("\"https://evil.example\"")),
    );
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("change+jwt")),
        ("typ", json!(null)),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("kid", json!("other")),
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.example")),
        ("jwk", forge.public.clone()),
    ] {
        let mut header = forge.header();
        header[name] = value;
        assert_rejected(&app, &forge.with_header(&header));
    }
    let parts: Vec<&str> = forge.valid_token.split('.').collect();
    for altered in [
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}A", parts[0], parts[1], parts[2]),
        format!("{}=", forge.valid_token),
        format!(".{}", forge.valid_token),
    ] {
        assert_rejected(&app, &altered);
    }
}

// SECURITY: B16
#[test]
fn alternative_encoding_of_client_token_ends_with_its_grant() {
    let (app, id, forge) = start_with_client_forge();
    let admin = app.super_admin_token();
    let reencoded = forge.with_header(&forge.header());
    assert_ne!(reencoded, forge.valid_token);
    app.get(USERS).bearer(&reencoded).send().expect(200);
    let path = format!("/api/v1/clients/{id}");
    let disable = json!({"isActive": false});
    app.patch(&path)
        .bearer(&admin)
        .json(&disable)
        .send()
        .expect(200);
    assert_rejected(&app, &forge.valid_token);
    assert_rejected(&app, &reencoded);
    let enable = json!({"isActive": true});
    app.patch(&path)
        .bearer(&admin)
        .json(&enable)
        .send()
        .expect(200);
    assert_rejected(&app, &forge.valid_token);
    assert_rejected(&app, &reencoded);
}
