//! Starting the service, and errors that prevent the start.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::support::binary::{
    ServiceProcess, TempDir, database_settings, expect_error_line, run_rosterd,
    settings_with_administrator,
};
use crate::support::database_proxy::{DatabaseProxy, ProxyMode};
use crate::support::{PASSWORD, SECRET_KEY, Schema, TestApp, run_concurrently};

type Settings = Vec<(String, String)>;

fn with_settings(mut settings: Settings, additional: &[(&str, &str)]) -> Settings {
    let to_owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    settings.extend(additional.iter().map(to_owned));
    settings
}

/// Starts the service on a free port and returns the one line that it prints before it exits.
#[track_caller]
fn start_error(settings: &Settings) -> String {
    let defaults = [
        ("ROSTERD_ADDR", "127.0.0.1:0"),
        ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
    ];
    let mut with_free_port = with_settings(Settings::new(), &defaults);
    with_free_port.extend(settings.iter().cloned());
    expect_error_line(&run_rosterd(&["serve"], &with_free_port, ""))
}

#[test]
fn first_start_without_a_terminal_writes_the_password_to_a_private_file() {
    let dir = TempDir::new();
    let mut service = ServiceProcess::start(&dir.private_cluster_settings());
    let password = service.generated_password();
    let path = dir.data_dir().join("first-password");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{password}\n"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(!service.output().join("\n").contains(&password));
    assert_ne!(service.token("admin", &password), "");
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
    fs::remove_file(&path).unwrap();

    let service = ServiceProcess::start(&dir.private_cluster_settings());
    assert!(!path.exists(), "the file is written only once");
    assert_ne!(service.token("admin", &password), "");
}

#[test]
fn stopped_replica_does_not_prevent_a_start_with_other_settings() {
    let schema = Schema::new();
    let settings_with_audience =
        |name| with_settings(database_settings(&schema), &[("ROSTERD_AUDIENCE", name)]);
    let mut service = ServiceProcess::start(&settings_with_audience("first"));
    let line = start_error(&settings_with_audience("second"));
    assert!(
        line.starts_with("ROSTERD_AUDIENCE: a running replica"),
        "{line}"
    );
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
    ServiceProcess::start(&settings_with_audience("second"));
}

#[test]
fn occupied_address_is_reported_before_files_are_created() {
    let dir = TempDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let settings = with_settings(dir.private_cluster_settings(), &[("ROSTERD_ADDR", &addr)]);
    let line = expect_error_line(&run_rosterd(&["serve"], &settings, ""));
    assert!(line.starts_with("can't listen on ROSTERD_ADDR: "), "{line}");
    assert!(!dir.data_dir().exists());
}

// SECURITY: K14
#[test]
fn invalid_setting_prevents_the_start_and_is_named_in_one_line() {
    let schema = Schema::new();
    let nowhere = "postgres://someone:geheim@127.0.0.1:9/none";
    for (name, text, expected) in [
        ("ROSTERD_ADDR", "here", "ROSTERD_ADDR: expected "),
        (
            "ROSTERD_SECRET_KEY",
            "short",
            "ROSTERD_SECRET_KEY: expected ",
        ),
        (
            "ROSTERD_SECRET_KEY",
            "",
            "ROSTERD_SECRET_KEY: is set but empty",
        ),
        (
            "ROSTERD_DB_POOL_SIZ",
            "8",
            "ROSTERD_DB_POOL_SIZ: no setting has this name; the nearest is ROSTERD_DB_POOL_SIZE",
        ),
        (
            "ROSTERD_PERMISSIONS",
            "assets",
            "ROSTERD_PERMISSIONS: \"assets\": ",
        ),
        (
            "ROSTERD_PUBLIC_URL",
            "http://id.example.org",
            "ROSTERD_PUBLIC_URL: is plain http",
        ),
        (
            "ROSTERD_TRUSTED_PROXIES",
            "::/0",
            "ROSTERD_TRUSTED_PROXIES: expected the networks of your proxies",
        ),
        (
            "ROSTERD_HASH_MEMORY_KIB",
            "8192",
            "ROSTERD_HASH_MEMORY_KIB: ",
        ),
        (
            "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME",
            "root",
            "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD: is missing",
        ),
        (
            "ROSTERD_METRICS_ADDR",
            "192.0.2.1:9",
            "can't listen on ROSTERD_METRICS_ADDR: ",
        ),
        ("DATABASE_URL", "mysql://h/db", "DATABASE_URL: expected "),
        (
            "DATABASE_URL",
            nowhere,
            "DATABASE_URL: connection to server at \"127.0.0.1\", port 9 failed: ",
        ),
    ] {
        let changed = [(name, text), ("ROSTERD_START_TIMEOUT", "0")];
        let line = start_error(&with_settings(database_settings(&schema), &changed));
        assert!(line.starts_with(expected), "{name}={text:?}: {line}");
        assert!(!line.contains("geheim"), "{line}");
    }
}

#[test]
fn start_waits_for_the_database() {
    let schema = Schema::new();
    let proxy = DatabaseProxy::start(&schema.url());
    proxy.set_mode(ProxyMode::Disconnect);
    let url = [("DATABASE_URL", proxy.url())];
    let settings = with_settings(database_settings(&schema), &url);
    let mut service = ServiceProcess::spawn(&settings);
    let line = service.wait_for_output("waiting for the database");
    assert!(line.contains("connection to server"), "{line}");
    proxy.set_mode(ProxyMode::Forward);
    service.wait_until_listening();

    proxy.set_mode(ProxyMode::Disconnect);
    let mut service = ServiceProcess::spawn(&settings);
    service.wait_for_output("waiting for the database");
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
}

#[test]
fn service_starts_and_serves_while_the_first_host_does_not_respond() {
    let schema = Schema::new();
    let (dark, live) = (
        DatabaseProxy::start(&schema.url()),
        DatabaseProxy::start(&schema.url()),
    );
    dark.set_mode(ProxyMode::Stall);
    let (credentials, address) = dark.url().rsplit_once('@').unwrap();
    let (dark_host, _) = address.split_once('/').unwrap();
    let (_, live_address) = live.url().rsplit_once('@').unwrap();
    let url = format!("{credentials}@{dark_host},{live_address}");
    let mut settings = settings_with_administrator(&schema);
    settings.retain(|(name, _)| name != "ROSTERD_DB_ACQUIRE_MS");
    let service = ServiceProcess::start(&with_settings(settings, &[("DATABASE_URL", &url)]));
    let token = service.token("admin", PASSWORD);
    run_concurrently(8, |_| {
        service
            .get("/api/v1/users")
            .bearer(&token)
            .send()
            .expect(200)
    });
}

#[test]
fn different_secret_key_is_refused() {
    let schema = Schema::new();
    drop(ServiceProcess::start(&database_settings(&schema)));
    let other = SECRET_KEY.replace("c4", "4c");
    let line = start_error(&with_settings(
        database_settings(&schema),
        &[("ROSTERD_SECRET_KEY", &other)],
    ));
    assert!(line.contains("ROSTERD_SECRET_KEY"), "{line}");
}

#[test]
fn outdated_schema_is_refused_if_migrations_are_off() {
    let schema = Schema::empty();
    let off = with_settings(database_settings(&schema), &[("ROSTERD_MIGRATE", "off")]);
    let line = start_error(&off);
    assert!(line.starts_with("ROSTERD_MIGRATE: is off and "), "{line}");
    assert!(line.ends_with("run `rosterd db migrate`"), "{line}");
    assert!(run_rosterd(&["db", "migrate"], &off, "").status.success());
    ServiceProcess::start(&off)
        .get("/readyz")
        .send()
        .expect(200);
}

#[test]
fn five_concurrent_starts_on_an_empty_database_migrate_once() {
    check_five_concurrent_starts();
}

#[test]
#[ignore = "long: run by make test-long"]
fn five_concurrent_starts_on_an_empty_database_migrate_once_in_twenty_rounds() {
    for _ in 0..20 {
        check_five_concurrent_starts();
    }
}

fn check_five_concurrent_starts() {
    let schema = Schema::empty();
    let mut services: Vec<_> = (0..5)
        .map(|_| ServiceProcess::spawn(&database_settings(&schema)))
        .collect();
    services
        .iter_mut()
        .for_each(ServiceProcess::wait_until_listening);
    let has_migrated = |service: &&ServiceProcess| {
        let output = service.output();
        output
            .iter()
            .any(|line| line.contains("migrating the database ("))
    };
    assert_eq!(services.iter().filter(has_migrated).count(), 1);
    for service in &services {
        service.get("/readyz").send().expect(200);
    }
    let jwks = |service: &ServiceProcess| service.get("/.well-known/jwks.json").send().text;
    assert!(
        services
            .iter()
            .all(|service| jwks(service) == jwks(&services[0]))
    );
}

#[test]
fn start_without_a_super_admin_logs_one_warning_with_instructions() {
    let schema = Schema::new();
    let service = ServiceProcess::start(&database_settings(&schema));
    service.get("/readyz").send().expect(200);
    let output = service.output();
    let warnings: Vec<_> = output
        .iter()
        .filter(|line| line.contains("\"WARN\"") && !line.contains("runs as root"))
        .collect();
    let [warning] = warnings[..] else {
        panic!("{output:?}");
    };
    assert!(
        warning.contains("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME"),
        "{warning}"
    );
}

#[test]
fn every_form_of_the_bootstrap_settings_creates_the_first_super_admin() {
    let dir = TempDir::new();
    let file = dir.path().join("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let file = file.to_str().unwrap();
    for (name, password, text) in [
        (
            "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME",
            "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD",
            PASSWORD,
        ),
        (
            "Auth__BootstrapSuperAdmin__Username",
            "Auth__BootstrapSuperAdmin__Password",
            PASSWORD,
        ),
        (
            "ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME",
            "ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD_FILE",
            file,
        ),
    ] {
        let schema = Schema::new();
        let settings = with_settings(
            database_settings(&schema),
            &[(name, " Chief "), (password, text)],
        );
        let service = ServiceProcess::start(&settings);
        let token = service.token("chief", PASSWORD);
        let me = service
            .get("/api/v1/auth/me")
            .bearer(&token)
            .send()
            .expect(200);
        assert_eq!(me.data()["role"], "SuperAdmin", "{name}");
        assert!(!service.output().join("\n").contains(PASSWORD));
    }
}

#[test]
fn invalid_bootstrap_settings_prevent_the_start() {
    let app = TestApp::start();
    app.create_user("taken", "User", &[]);
    let bootstrap_settings = |name, password| {
        with_settings(
            app.binary_settings(),
            &[
                ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", name),
                ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", password),
            ],
        )
    };
    let line = start_error(&bootstrap_settings("taken", PASSWORD));
    assert!(
        line.starts_with("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME: is the name of an account"),
        "{line}"
    );
    let line = start_error(&bootstrap_settings("-", PASSWORD));
    assert!(
        line.starts_with("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME: "),
        "{line}"
    );
    let line = start_error(&bootstrap_settings("chief", "password"));
    assert!(
        line.starts_with("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD: "),
        "{line}"
    );
    assert!(!line.contains("password;"), "{line}");
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
}

#[test]
fn twenty_concurrent_starts_create_one_super_admin() {
    check_twenty_concurrent_bootstraps();
}

#[test]
#[ignore = "long: run by make test-long"]
fn twenty_concurrent_starts_create_one_super_admin_in_twenty_rounds() {
    for _ in 0..20 {
        check_twenty_concurrent_bootstraps();
    }
}

fn check_twenty_concurrent_bootstraps() {
    let app = TestApp::start();
    let settings = with_settings(
        app.binary_settings(),
        &[
            ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "chief"),
            ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
            ("ROSTERD_DB_POOL_SIZE", "2"),
        ],
    );
    let mut services: Vec<_> = (0..20).map(|_| ServiceProcess::spawn(&settings)).collect();
    services
        .iter_mut()
        .for_each(ServiceProcess::wait_until_listening);
    assert_eq!(app.query_number("SELECT count(*) FROM users"), 1);
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action = 'user.create'"),
        1
    );
    // The existing account is not created again by the same settings.
    let body = json!({"username": "chief", "password": PASSWORD});
    services[19]
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(200);
}
