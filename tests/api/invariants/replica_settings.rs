//! All replicas on a database share issuer, audience and secret key.

use std::collections::BTreeMap;

use rosterd::platform::config::Config;
use rosterd::server;

use crate::support::{SECRET_KEY, TestApp};

/// The error with which a replica with these settings does not start on the database of the app.
fn start_error(app: &TestApp, settings: &[(&str, &str)]) -> Option<String> {
    let mut vars: BTreeMap<String, String> = [
        ("DATABASE_URL", app.url().as_str()),
        ("ROSTERD_SECRET_KEY", SECRET_KEY),
        ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    let to_owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    vars.extend(settings.iter().map(to_owned));
    let config = Config::from_vars(vars, &|_| panic!("the test configures no files")).unwrap();
    let key = *config.secret_key.as_ref().unwrap().expose();
    let started = server::build_app_state(&config, &app.url(), &key);
    started.err().map(|error| error.to_string())
}

#[test]
fn replica_with_other_settings_does_not_start_while_one_is_running() {
    let app = TestApp::start();
    for (name, value, running) in [
        (
            "ROSTERD_PUBLIC_URL",
            "https://other.example.org",
            "https://id.example.org",
        ),
        ("ROSTERD_AUDIENCE", "other", "rosterd"),
    ] {
        let error = start_error(&app, &[(name, value)]).unwrap();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
        assert!(error.contains(running) && !error.contains('\n'), "{error}");
    }
    assert_eq!(start_error(&app, &[]), None);

    let insert_other = "INSERT INTO replicas (id, heartbeat, issuer, audience, secret_key_id) \
                        SELECT gen_random_uuid(), gen_random_uuid(), issuer, audience, '\\x00' FROM replicas LIMIT 1";
    app.execute(insert_other);
    let error = start_error(&app, &[]).unwrap();
    assert!(error.starts_with("ROSTERD_SECRET_KEY: "), "{error}");
    app.execute("UPDATE replicas SET last_seen_at = now() - interval '31 seconds' WHERE secret_key_id = '\\x00'");
    assert_eq!(
        start_error(&app, &[]),
        None,
        "the other replica has stopped"
    );
}

#[test]
fn replica_can_add_audiences_of_applications_but_not_lack_those_of_a_running_one() {
    let app = TestApp::start_with(&[("ROSTERD_APP_AUDIENCES", "urn:a, urn:b")]);
    for lacking in ["", "urn:a", "urn:b urn:c"] {
        let error = start_error(&app, &[("ROSTERD_APP_AUDIENCES", lacking)]).unwrap();
        assert!(error.starts_with("ROSTERD_APP_AUDIENCES: "), "{error}");
        assert!(error.contains("urn:") && !error.contains('\n'), "{error}");
    }
    for sufficient in ["urn:b urn:a", "urn:a,urn:b,urn:c"] {
        let settings = [("ROSTERD_APP_AUDIENCES", sufficient)];
        assert_eq!(start_error(&app, &settings), None, "{sufficient}");
    }
}

#[test]
fn settings_can_change_when_no_replica_is_running() {
    let app = TestApp::start();
    let other_audience = [("ROSTERD_AUDIENCE", "other")];
    assert!(start_error(&app, &other_audience).is_some());
    app.execute("DELETE FROM replicas");
    assert_eq!(start_error(&app, &other_audience), None);
    let recorded = "SELECT audience FROM replicas WHERE audience IS NOT NULL";
    assert_eq!(app.query_text(recorded), "other");
}
