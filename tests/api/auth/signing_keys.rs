//! `GET /.well-known/jwks.json` and the rotation of signing keys.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{Value, json};

use crate::support::verifiers::Verifier;
use crate::support::{TestApp, wait_until};

const JWKS: &str = "/.well-known/jwks.json";

/// The published keys.
fn published_keys(app: &TestApp) -> Vec<Value> {
    let response = app.get(JWKS).send().expect(200);
    response.body["keys"].as_array().unwrap().clone()
}

/// The id of the key that signed a token.
fn key_id_of(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn is_accepted(app: &TestApp, token: &str) -> bool {
    app.get("/api/v1/auth/me").bearer(token).send().status == 200
}

/// Asserts that every verifier accepts the token for this user.
fn assert_all_accept(verifiers: &mut [Verifier], token: &str, user: &str) {
    for verifier in verifiers {
        assert_eq!(verifier.verify(token), format!("good {user}"));
    }
}

// SECURITY: B20
#[test]
fn jwks_has_only_public_members_and_a_short_cache_lifetime() {
    let app = TestApp::start();
    app.cli().run("keys rotate").expect(0);
    wait_until(|| published_keys(&app).len() == 2);
    let response = app.get(JWKS).send().expect(200);
    assert_eq!(response.header("content-type"), "application/jwk-set+json");
    for key in response.body["keys"].as_array().unwrap() {
        let mut members: Vec<&str> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        members.sort_unstable();
        assert_eq!(
            members,
            ["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"]
        );
        assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-256")));
        assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!("ES256")));
        assert_eq!(key["key_ops"], json!(["verify"]));
    }
    let max_age = response
        .header("cache-control")
        .strip_prefix("public, max-age=")
        .unwrap();
    let max_age: i64 = max_age.parse().unwrap();
    assert!(
        0 < max_age
            && max_age * 2
                <= rosterd::access::signing_keys::service::PUBLICATION_LEAD.num_seconds()
    );
    let rows_with_private_key = "SELECT count(*) FROM signing_keys WHERE public_jwk ? 'd'";
    assert_eq!(app.query_number(rows_with_private_key), 0);
}

#[test]
fn rotation_publishes_the_new_key_early_and_keeps_the_old_key_until_its_tokens_expire() {
    let app = TestApp::start();
    let other_replica = app.start_replica();
    let cli = app.cli();
    let ada = app.create_user("ada", "User", &[]);
    let jwks = format!("{}{JWKS}", app.base);
    let mut verifiers = Verifier::all(&jwks);
    let old = app.token("ada");
    assert_all_accept(&mut verifiers, &old, &ada.id);

    let created = cli.run("keys rotate --json").expect(0).json();
    let new_kid = created["kid"].as_str().unwrap();
    assert_eq!(created["state"], "next");
    for replica in [&app, &other_replica] {
        wait_until(|| published_keys(replica).len() == 2);
        let token = replica.token("ada");
        assert_eq!(
            key_id_of(&token),
            key_id_of(&old),
            "the new key does not sign yet"
        );
        assert_all_accept(&mut verifiers, &token, &ada.id);
    }
    let assert_key_states = |expected: [&str; 2]| {
        let keys = cli.run("keys ls --json").expect(0).json();
        let states: Vec<&str> = keys
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, expected);
        assert!(keys[0]["expiresAtUtc"].is_null() && keys[1]["expiresAtUtc"].is_string());
    };
    assert_key_states(["next", "signing"]);

    // Simulates a quarter of an hour.
    app.execute("UPDATE signing_keys SET active_at = active_at - interval '15 minutes', expires_at = expires_at - interval '15 minutes'");
    assert_key_states(["signing", "retiring"]);
    for replica in [&app, &other_replica] {
        wait_until(|| key_id_of(&replica.token("ada")) == new_kid);
        let new = replica.token("ada");
        assert!(is_accepted(&app, &new) && is_accepted(&other_replica, &new));
        assert!(
            is_accepted(replica, &old),
            "the session of the old token is active"
        );
        assert_all_accept(&mut verifiers, &new, &ada.id);
        assert_all_accept(&mut verifiers, &old, &ada.id);
        assert_all_accept(&mut Verifier::all(&jwks), &old, &ada.id);
    }

    // Simulates another half hour.
    app.execute("UPDATE signing_keys SET active_at = active_at - interval '31 minutes', expires_at = expires_at - interval '31 minutes'");
    let new = app.token("ada");
    for replica in [&app, &other_replica] {
        wait_until(|| published_keys(replica).len() == 1);
        assert!(!is_accepted(replica, &old) && is_accepted(replica, &new));
    }
    for verifier in &mut Verifier::all(&jwks) {
        assert!(verifier.verify(&old).starts_with("bad "));
        assert_eq!(verifier.verify(&new), format!("good {}", ada.id));
    }
    rosterd::server::Housekeeping::of_expired_rows()
        .run(&app.db())
        .unwrap();
    assert_eq!(app.query_number("SELECT count(*) FROM signing_keys"), 1);
    let rotated = "SELECT count(*) FROM audit_events WHERE action = 'signingKey.rotate' AND actor_kind = 'cli'";
    assert_eq!(app.query_number(rotated), 1);
}

/// The replica gets no notification when a key becomes active or expires.
#[test]
fn key_activation_and_expiry_follow_the_clock() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let old = app.token("ada");
    app.cli().run("keys rotate").expect(0);
    wait_until(|| published_keys(&app).len() == 2);
    app.execute(
        "UPDATE signing_keys SET active_at = clock_timestamp() + interval '2 seconds' WHERE expires_at IS NULL; \
         UPDATE signing_keys SET expires_at = clock_timestamp() + interval '4 seconds' WHERE expires_at IS NOT NULL",
    );
    wait_until(|| key_id_of(&app.token("ada")) != key_id_of(&old));
    wait_until(|| published_keys(&app).len() == 1);
    assert!(!is_accepted(&app, &old));
}

#[test]
fn concurrent_rotations_leave_one_key_without_expiry() {
    let app = TestApp::start();
    let db = app.db();
    let vault = crate::support::vault();
    let system = rosterd::access::actor::Actor::system();
    for _ in 0..20 {
        crate::support::run_concurrently(4, |_| {
            db.write_now(|tx| rosterd::access::signing_keys::service::rotate(tx, &system, &vault))
                .unwrap();
        });
        let keys_without_expiry = "SELECT count(*) FROM signing_keys WHERE expires_at IS NULL";
        assert_eq!(app.query_number(keys_without_expiry), 1);
        let keys_expiring_too_early = "SELECT count(*) FROM signing_keys a WHERE expires_at IS NOT NULL AND expires_at < \
                    (SELECT min(active_at) FROM signing_keys b WHERE b.active_at > a.active_at) + interval '15 minutes'";
        assert_eq!(
            app.query_number(keys_expiring_too_early),
            0,
            "each key is accepted until its last token expires"
        );
    }
}

#[test]
fn failed_reload_of_the_keys_is_repeated() {
    let app = TestApp::start();
    app.execute("ALTER TABLE signing_keys DISABLE TRIGGER signing_keys_notify_on_change");
    app.cli().run("keys rotate").expect(0);
    app.execute("ALTER TABLE signing_keys RENAME TO hidden_keys");
    app.execute("SELECT pg_notify('rosterd_' || current_schema(), 'signing_keys')");
    // The replica tries to load the keys as soon as it receives the notification.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(published_keys(&app).len(), 1);
    app.execute("ALTER TABLE hidden_keys RENAME TO signing_keys");
    wait_until(|| published_keys(&app).len() == 2);
}

/// One replica receives no notifications and has the disclosed key in memory.
#[test]
fn disclosed_key_is_rejected_at_once_by_every_replica() {
    let app = TestApp::start();
    let other = app.start_replica();
    app.create_user("ada", "User", &[]);
    let session = app.sign_in("ada");
    let old = session["accessToken"].as_str().unwrap();
    let admin = app.super_admin_token();
    app.cli().run("keys rotate").expect(0);
    assert!(is_accepted(&app, old) && is_accepted(&other, old));
    app.execute(
        "ALTER TABLE signing_keys DISABLE TRIGGER signing_keys_notify_on_change; \
         ALTER TABLE replicas DISABLE TRIGGER replicas_notify_on_update",
    );
    // The replicas notice within three seconds that they receive no notifications.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let created = app
        .cli()
        .run("keys rotate --compromised --json")
        .expect(0)
        .json();
    for replica in [&app, &other] {
        assert!(!is_accepted(replica, old) && !is_accepted(replica, &admin));
    }
    assert_eq!(created["state"], "signing");
    assert_eq!(app.query_number("SELECT count(*) FROM signing_keys"), 1);

    let refresh_token = &session["refreshToken"];
    let refreshed = app
        .post("/api/v1/auth/refresh")
        .json(&json!({"refreshToken": refresh_token}));
    refreshed.send().expect(200);
    for replica in [&app, &other] {
        wait_until(|| is_accepted(replica, &replica.token("ada")));
        wait_until(|| published_keys(replica).len() == 1);
    }
    let token = app.super_admin_token();
    assert_eq!(key_id_of(&token), created["kid"].as_str().unwrap());
    let feed = app
        .get("/api/v1/auth/revocations")
        .bearer(&token)
        .send()
        .expect(200);
    let listed: Vec<&str> = feed
        .data()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["kid"].as_str())
        .collect();
    assert_eq!(listed.len(), 2, "both old keys: {listed:?}");
    assert!(listed.contains(&key_id_of(old).as_str()));
    let revoked = "SELECT before ->> 'revokedKeys' FROM audit_events WHERE action = 'signingKey.rotate' ORDER BY at DESC LIMIT 1";
    assert!(app.query_text(revoked).contains(&key_id_of(old)));
}

/// While the keys in memory are out of date, the database decides whether a key is accepted.
#[test]
fn disclosed_key_is_rejected_while_the_keys_cannot_be_reloaded() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("User", &[]);
    assert!(is_accepted(&app, &token));
    // The new row cannot be decrypted, so the reload fails.
    app.execute(
        "CREATE TEMP TABLE copy AS SELECT * FROM signing_keys; DELETE FROM signing_keys; \
         INSERT INTO signing_keys SELECT 'other', public_jwk, encrypted_private_key, created_at, active_at, expires_at FROM copy",
    );
    wait_until(|| !is_accepted(&app, &token));
}
