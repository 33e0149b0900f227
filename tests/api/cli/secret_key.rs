//! `rosterd secret-key rotate`, and replicas with the new and the old key.

use std::collections::BTreeSet;

use rosterd::platform::crypto::Vault;
use rosterd::platform::error::AppError;
use serde_json::{Value, json};

use crate::support::{Cli, Response, SECRET_KEY, TestApp, wait_until};

fn new_key() -> String {
    SECRET_KEY.replace("c4", "4c")
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

/// The command line with these keys.
fn cli_with_keys(app: &TestApp, key: &str, previous: Option<&str>) -> Cli {
    let mut settings = app.binary_settings();
    settings.retain(|(name, _)| name != "ROSTERD_SECRET_KEY");
    let cli = Cli::new(settings).with("ROSTERD_SECRET_KEY", key);
    match previous {
        Some(previous) => cli.with("ROSTERD_SECRET_KEY_PREVIOUS", previous),
        None => cli,
    }
}

fn create_tag_role(app: &TestApp, admin: &str) -> Response {
    let request = app.post("/api/v1/roles").bearer(admin);
    let body = json!({"name": "Editor", "rank": 5, "permissions": []});
    request
        .header("Idempotency-Key", "one-role")
        .json(&body)
        .send()
        .expect(201)
}

fn refresh(app: &TestApp, refresh_token: &str) -> String {
    let body = json!({"refreshToken": refresh_token});
    let response = app
        .post("/api/v1/auth/refresh")
        .json(&body)
        .send()
        .expect(200);
    text(response.data(), "refreshToken")
}

fn vault(key: &str) -> Vault {
    let mut bytes = [0; 32];
    hex::decode_to_slice(key, &mut bytes).unwrap();
    Vault::new(&bytes).unwrap()
}

/// Deletes the audit events that are older than 39 days, with the MACs of this key.
fn expire_audit_log(app: &TestApp, key: &str) -> Result<bool, AppError> {
    let vault = vault(key);
    app.db().write_now(|tx| {
        let expired = rosterd::audit::chain::service::expire(tx, &vault, 39);
        Ok(expired?)
    })
}

/// Adds all audit events to the hash chain.
fn seal_audit_log(app: &TestApp, key: &str) {
    let vault = vault(key);
    let seal = |tx: &mut rosterd::platform::db::Tx<'_>| {
        Ok(rosterd::audit::chain::service::seal(tx, &vault)?)
    };
    app.db().write_now(seal).unwrap();
}

#[test]
fn secret_key_is_replaced_while_replicas_are_running() {
    let (new_key, old_key) = (new_key(), SECRET_KEY);
    let app = TestApp::start();
    let admin = app.super_admin_token();
    create_tag_role(&app, &admin);
    app.create_user("ada", "User", &[]);
    let refresh_token = text(&app.sign_in("ada"), "refreshToken");
    let successor = refresh(&app, &refresh_token);
    let list = "/api/v1/users?limit=1";
    let cursor = app.get(list).bearer(&admin).send().expect(200).body["page"]["next"].clone();
    // Old enough for the removal of expired events.
    app.execute("UPDATE audit_events SET at = at - interval '40 days'");
    seal_audit_log(&app, old_key);

    let both = [
        ("ROSTERD_SECRET_KEY", new_key.as_str()),
        ("ROSTERD_SECRET_KEY_PREVIOUS", old_key),
    ];
    let replica = app.start_replica_with(&both);
    replica
        .get("/api/v1/auth/me")
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(
        refresh(&replica, &refresh_token),
        successor,
        "a repeated refresh"
    );
    let path = format!("{list}&cursor={}", cursor.as_str().unwrap());
    replica.get(&path).bearer(&admin).send().expect(200);
    let replayed = create_tag_role(&replica, &admin);
    assert_eq!(replayed.header("idempotency-replayed"), "true");

    let rotate = cli_with_keys(&app, &new_key, Some(old_key));
    rotate.run("secret-key rotate").expect_error(
        1,
        "running replicas that do not use the new key yet: 1; restart them with both keys first",
    );
    cli_with_keys(&app, &new_key, None)
        .run("secret-key rotate")
        .expect_error(1, "ROSTERD_SECRET_KEY_PREVIOUS is not set: set it to the old key, and ROSTERD_SECRET_KEY to the new one");
    drop(app);
    let replicas = "SELECT count(*) FROM replicas WHERE issuer IS NOT NULL";
    wait_until(|| replica.query_number(replicas) == 1);
    let rotated = rotate.run("secret-key rotate").expect(0);
    let message = "1 signing keys, 0 password peppers, 0 messages, 1 stored responses.";
    assert!(rotated.err.contains(message), "{}", rotated.err);
    let again = rotate.run("secret-key rotate").expect(0);
    assert!(
        again
            .err
            .contains("0 signing keys, 0 password peppers, 0 messages, 0 stored responses.")
    );
    let recorded = "SELECT count(*) FROM audit_events WHERE action = 'secretKey.rotate'";
    assert_eq!(replica.query_number(recorded), 2);

    // The old key is not needed any more, and does not suffice.
    seal_audit_log(&replica, &new_key);
    let old_events = "SELECT count(*) FROM audit_events WHERE at < now() - interval '39 days'";
    assert!(replica.query_number(old_events) > 0);
    expire_audit_log(&replica, old_key).unwrap_err();
    assert!(expire_audit_log(&replica, &new_key).unwrap());
    assert_eq!(replica.query_number(old_events), 0);
    seal_audit_log(&replica, &new_key);
    let new_only = cli_with_keys(&replica, &new_key, None);
    new_only.run("audit verify").expect(0);
    new_only.run("keys rotate").expect(0);
    let old_only = cli_with_keys(&replica, old_key, None);
    old_only.run("audit verify").expect(1);
    replica
        .get("/api/v1/auth/me")
        .bearer(&admin)
        .send()
        .expect(200);
}

#[test]
fn previous_key_must_differ_from_the_key() {
    let app = TestApp::start();
    let output = cli_with_keys(&app, &new_key(), Some(&new_key())).run("users ls");
    assert!(
        output.err.contains("ROSTERD_SECRET_KEY_PREVIOUS"),
        "{}",
        output.err
    );
    output.expect(1);
}

/// The encrypted columns of the database, as `table.column`.
const ENCRYPTED_COLUMNS: [&str; 4] = [
    "idempotency_keys.encrypted_response",
    "mail_outbox.encrypted_message",
    "password_peppers.encrypted_secret",
    "signing_keys.encrypted_private_key",
];

/// All values of an encrypted column, as a set of hexadecimal strings.
fn encrypted_values(app: &TestApp, column: &str) -> BTreeSet<String> {
    let (table, column) = column.split_once('.').unwrap();
    let list = app.query_text(&format!(
        "SELECT coalesce(string_agg(encode({column}, 'hex'), ' '), '') FROM {table}"
    ));
    list.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn rotation_encrypts_every_encrypted_column_again_and_starts_a_new_pepper() {
    let (new_key, old_key) = (new_key(), SECRET_KEY);
    // No server listens on this port, so the queued mail stays.
    let settings = [
        ("ROSTERD_SMTP_URL", "smtp://127.0.0.1:1"),
        ("ROSTERD_MAIL_FROM", "id@example.org"),
        ("ROSTERD_PASSWORD_PEPPER", "on"),
    ];
    let app = TestApp::start_with(&settings);
    let columns = app.query_text(
        "SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name) FROM information_schema.columns \
         WHERE table_schema = current_schema() AND column_name LIKE '%encrypted%'",
    );
    assert_eq!(columns, ENCRYPTED_COLUMNS.join(" "));
    let admin = app.super_admin_token();
    create_tag_role(&app, &admin);
    app.create_user("ada", "User", &[]);
    app.sign_in("ada");
    let set_email =
        "UPDATE users SET email = 'ada@example.org', email_confirmed = true WHERE username = 'ada'";
    app.execute(set_email);
    let body = json!({"email": "ada@example.org"});
    let reset = app.post("/api/v1/auth/request-password-reset").json(&body);
    reset.send().expect(202);
    let before = ENCRYPTED_COLUMNS.map(|column| encrypted_values(&app, column));
    let both = [
        ("ROSTERD_SECRET_KEY", new_key.as_str()),
        ("ROSTERD_SECRET_KEY_PREVIOUS", old_key),
    ];
    let replica = app.start_replica_with(&both);
    drop(app);
    let replicas = "SELECT count(*) FROM replicas WHERE issuer IS NOT NULL";
    wait_until(|| replica.query_number(replicas) == 1);
    let rotate = cli_with_keys(&replica, &new_key, Some(old_key));
    let rotate = rotate.with("ROSTERD_PASSWORD_PEPPER", "on");
    rotate.run("secret-key rotate").expect(0);
    for (column, before) in ENCRYPTED_COLUMNS.iter().zip(before) {
        let after = encrypted_values(&replica, column);
        assert!(!before.is_empty() && !after.is_empty(), "{column} is empty");
        assert!(before.is_disjoint(&after), "{column} has an old value");
    }

    let peppers = "SELECT count(*) FROM password_peppers";
    assert_eq!(replica.query_number(peppers), 2);
    rotate.run("secret-key rotate").expect(0);
    assert_eq!(replica.query_number(peppers), 2);
    let mut new_only = settings.to_vec();
    new_only.push(("ROSTERD_SECRET_KEY", &new_key));
    let renewed = replica.start_replica_with(&new_only);
    let newest = "SELECT count(*) FROM users WHERE password_hash LIKE '%,keyid=' || \
         (SELECT rtrim(encode(id, 'base64'), '=') FROM password_peppers ORDER BY created_at DESC LIMIT 1) || '$%'";
    assert_eq!(renewed.query_number(newest), 0);
    renewed.sign_in("ada");
    assert_eq!(renewed.query_number(newest), 1);
}
