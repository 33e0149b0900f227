//! The keys that sign access tokens: what is published of them, and how one takes the place of another.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{Value, json};

use crate::support::verifiers::Verifier;
use crate::support::{TestApp, eventually};

const JWKS: &str = "/.well-known/jwks.json";

/// The keys that are published.
fn published(app: &TestApp) -> Vec<Value> {
    let answer = app.get(JWKS).send().expect(200);
    answer.body["keys"].as_array().unwrap().clone()
}

/// The key that signed a token.
fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn is_good(app: &TestApp, token: &str) -> bool {
    app.get("/api/v1/auth/me").by(token).send().status == 200
}

/// Every verifier says of the token that it is good, and whose.
fn all_accept(verifiers: &mut [Verifier], token: &str, user: &str) {
    for verifier in verifiers {
        assert_eq!(verifier.judge(token), format!("good {user}"));
    }
}

#[test]
fn b20_nothing_private_is_published_and_no_cache_keeps_it_too_long() {
    let app = TestApp::start();
    app.cli().run("keys rotate").expect(0);
    eventually(|| published(&app).len() == 2);
    let answer = app.get(JWKS).send().expect(200);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    for key in answer.body["keys"].as_array().unwrap() {
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
    let cached = answer
        .header("cache-control")
        .strip_prefix("public, max-age=")
        .unwrap();
    let cached: i64 = cached.parse().unwrap();
    assert!(0 < cached && cached * 2 <= rosterd::access::authentication::keys::LEAD.num_seconds());
    let plain = "SELECT count(*) FROM signing_keys WHERE public_jwk ? 'd'";
    assert_eq!(app.number(plain), 0);
}

#[test]
fn another_key_is_known_before_it_signs_and_the_old_one_until_its_last_token_is_dead() {
    let app = TestApp::start();
    let elsewhere = app.replica();
    let cli = app.cli();
    let ada = app.user("ada", "User", &[]);
    let jwks = format!("{}{JWKS}", app.base);
    let mut verifiers = Verifier::all(&jwks);
    let old = app.token("ada");
    all_accept(&mut verifiers, &old, &ada.id);

    let made = cli.run("keys rotate --json").expect(0).json();
    let new_kid = made["kid"].as_str().unwrap();
    assert_eq!(made["state"], "next");
    for replica in [&app, &elsewhere] {
        eventually(|| published(replica).len() == 2);
        let token = replica.token("ada");
        assert_eq!(kid(&token), kid(&old), "it does not sign yet");
        all_accept(&mut verifiers, &token, &ada.id);
    }
    let states = |expected: [&str; 2]| {
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
    states(["next", "signing"]);

    // A quarter of an hour goes by.
    app.execute("UPDATE signing_keys SET active_at = active_at - interval '15 minutes', expires_at = expires_at - interval '15 minutes'");
    states(["signing", "retiring"]);
    for replica in [&app, &elsewhere] {
        eventually(|| kid(&replica.token("ada")) == new_kid);
        let new = replica.token("ada");
        assert!(is_good(&app, &new) && is_good(&elsewhere, &new));
        assert!(is_good(replica, &old), "its session lives");
        all_accept(&mut verifiers, &new, &ada.id);
        all_accept(&mut verifiers, &old, &ada.id);
        all_accept(&mut Verifier::all(&jwks), &old, &ada.id);
    }

    // And half an hour more.
    app.execute("UPDATE signing_keys SET active_at = active_at - interval '31 minutes', expires_at = expires_at - interval '31 minutes'");
    let new = app.token("ada");
    for replica in [&app, &elsewhere] {
        eventually(|| published(replica).len() == 1);
        assert!(!is_good(replica, &old) && is_good(replica, &new));
    }
    for verifier in &mut Verifier::all(&jwks) {
        assert!(verifier.judge(&old).starts_with("bad "));
        assert_eq!(verifier.judge(&new), format!("good {}", ada.id));
    }
    rosterd::server::keep_house(&app.db()).unwrap();
    assert_eq!(app.number("SELECT count(*) FROM signing_keys"), 1);
    let rotated = "SELECT count(*) FROM audit_events WHERE action = 'signingKey.rotate' AND actor_kind = 'cli'";
    assert_eq!(app.number(rotated), 1);
}

/// Nobody tells a replica that the time has come.
#[test]
fn a_key_begins_and_ends_by_the_clock_alone() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let old = app.token("ada");
    app.cli().run("keys rotate").expect(0);
    eventually(|| published(&app).len() == 2);
    app.execute(
        "UPDATE signing_keys SET active_at = clock_timestamp() + interval '2 seconds' WHERE expires_at IS NULL; \
         UPDATE signing_keys SET expires_at = clock_timestamp() + interval '4 seconds' WHERE expires_at IS NOT NULL",
    );
    eventually(|| kid(&app.token("ada")) != kid(&old));
    eventually(|| published(&app).len() == 1);
    assert!(!is_good(&app, &old));
}

#[test]
fn what_is_done_to_keys_at_once_leaves_one_that_is_last() {
    let app = TestApp::start();
    let db = app.db();
    let vault = rosterd::platform::crypto::Vault::new(&[0x5a; 32]).unwrap();
    let system = rosterd::access::authentication::Actor::system();
    crate::support::at_once(4, |_| {
        db.write_now(|tx| rosterd::access::authentication::keys::rotate(tx, &system, &vault))
            .unwrap();
    });
    let lasting = "SELECT count(*) FROM signing_keys WHERE expires_at IS NULL";
    assert_eq!(app.number(lasting), 1);
    let gaps = "SELECT count(*) FROM signing_keys a WHERE expires_at IS NOT NULL AND expires_at < \
                (SELECT min(active_at) FROM signing_keys b WHERE b.active_at > a.active_at) + interval '15 minutes'";
    assert_eq!(
        app.number(gaps),
        0,
        "each is accepted until its last token is dead"
    );
}
