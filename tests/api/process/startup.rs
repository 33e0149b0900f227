//! How it starts, and why it refuses to.

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use crate::support::binary::{Folder, Service, expect_refusal, on, run};
use crate::support::{PASSWORD, Schema, TestApp};

type Settings = Vec<(String, String)>;

fn with(mut settings: Settings, more: &[(&str, &str)]) -> Settings {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    settings.extend(more.iter().map(owned));
    settings
}

#[track_caller]
fn refused(settings: &Settings) -> String {
    let mut free = with(Settings::new(), &[("ROSTERD_ADDR", "127.0.0.1:0")]);
    free.extend(settings.iter().cloned());
    expect_refusal(&run(&["serve"], &free, ""))
}

#[test]
fn from_nothing_to_the_first_sign_in_and_again() {
    let folder = Folder::new();
    let mut service = Service::start(&folder.settings());
    let password = service.first_password();
    assert_ne!(service.token("admin", &password), "");
    service.signal("-TERM");
    assert!(service.ended().success());

    let service = Service::start(&folder.settings());
    let said = service.said().join("\n");
    assert!(!said.contains("  password  "), "it is shown once: {said}");
    assert!(!said.contains(&password));
    assert_ne!(service.token("admin", &password), "");
}

#[test]
fn an_address_that_is_taken_is_found_before_anything_is_made() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let settings = with(folder.settings(), &[("ROSTERD_ADDR", &addr)]);
    let line = expect_refusal(&run(&["serve"], &settings, ""));
    assert!(
        line.starts_with("ROSTERD_ADDR can't be listened on: "),
        "{line}"
    );
    assert!(!folder.data().exists());
}

#[test]
fn k14_a_wrong_setting_stops_the_start_with_one_line_that_names_it() {
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
            "ROSTERD_SECRET_KEY: is set and empty",
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
            "ROSTERD_METRICS_ADDR can't be listened on: ",
        ),
        ("DATABASE_URL", "mysql://h/db", "DATABASE_URL: expected "),
        (
            "DATABASE_URL",
            nowhere,
            "DATABASE_URL: connection to server at \"127.0.0.1\", port 9 failed: ",
        ),
    ] {
        let line = refused(&with(on(&schema), &[(name, text)]));
        assert!(line.starts_with(expected), "{name}={text:?}: {line}");
        assert!(!line.contains("geheim"), "{line}");
    }
}

#[test]
fn a_key_that_the_database_was_not_written_with_is_refused() {
    let schema = Schema::new();
    drop(Service::start(&on(&schema)));
    let other = "a5".repeat(32);
    let line = refused(&with(on(&schema), &[("ROSTERD_SECRET_KEY", &other)]));
    assert!(line.contains("ROSTERD_SECRET_KEY"), "{line}");
}

#[test]
fn an_old_schema_is_refused_where_the_start_may_not_migrate() {
    let schema = Schema::empty();
    let off = with(on(&schema), &[("ROSTERD_MIGRATE", "off")]);
    let line = refused(&off);
    assert!(line.starts_with("ROSTERD_MIGRATE: is off and "), "{line}");
    assert!(line.ends_with("run `rosterd db migrate`"), "{line}");
    assert!(run(&["db", "migrate"], &off, "").status.success());
    Service::start(&off).get("/readyz").send().expect(200);
}

#[test]
fn of_five_that_start_together_on_an_empty_database_one_migrates() {
    let schema = Schema::empty();
    let mut services: Vec<_> = (0..5).map(|_| Service::spawn(&on(&schema))).collect();
    services.iter_mut().for_each(Service::until_it_serves);
    let migrated = |service: &&Service| {
        let said = service.said();
        said.iter()
            .any(|line| line.contains("migrating the database ("))
    };
    assert_eq!(services.iter().filter(migrated).count(), 1);
    for service in &services {
        service.get("/readyz").send().expect(200);
    }
    let jwks = |service: &Service| service.get("/.well-known/jwks.json").send().text;
    assert!(
        services
            .iter()
            .all(|service| jwks(service) == jwks(&services[0]))
    );
}

#[test]
fn without_a_super_admin_it_starts_with_one_warning_that_says_what_to_do() {
    let schema = Schema::new();
    let service = Service::start(&on(&schema));
    service.get("/readyz").send().expect(200);
    let said = service.said();
    let warnings: Vec<_> = said
        .iter()
        .filter(|line| line.contains("\"WARN\""))
        .collect();
    let [warning] = warnings[..] else {
        panic!("{said:?}");
    };
    assert!(
        warning.contains("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME"),
        "{warning}"
    );
}

#[test]
fn the_settings_make_the_first_super_admin_in_each_of_their_forms() {
    let folder = Folder::new();
    let file = folder.path().join("password");
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
        let settings = with(on(&schema), &[(name, " Chief "), (password, text)]);
        let service = Service::start(&settings);
        let token = service.token("chief", PASSWORD);
        let me = service.get("/api/v1/auth/me").by(&token).send().expect(200);
        assert_eq!(me.data()["role"], "SuperAdmin", "{name}");
        assert!(!service.said().join("\n").contains(PASSWORD));
    }
}

#[test]
fn a_bootstrap_that_can_not_be_is_refused() {
    let app = TestApp::start();
    app.user("taken", "User", &[]);
    let named = |name, password| {
        with(
            app.settings_for_the_binary(),
            &[
                ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", name),
                ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", password),
            ],
        )
    };
    let line = refused(&named("taken", PASSWORD));
    assert!(
        line.starts_with("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME: is the name of an account"),
        "{line}"
    );
    let line = refused(&named("-", PASSWORD));
    assert!(
        line.starts_with("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME: "),
        "{line}"
    );
    let line = refused(&named("chief", "password"));
    assert!(
        line.starts_with("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD: "),
        "{line}"
    );
    assert!(!line.contains("password;"), "{line}");
    assert_eq!(app.number("SELECT count(*) FROM users"), 1);
}

#[test]
fn of_twenty_that_start_together_one_makes_the_super_admin() {
    let app = TestApp::start();
    let settings = with(
        app.settings_for_the_binary(),
        &[
            ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "chief"),
            ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
            ("ROSTERD_DB_POOL_SIZE", "2"),
        ],
    );
    let mut services: Vec<_> = (0..20).map(|_| Service::spawn(&settings)).collect();
    services.iter_mut().for_each(Service::until_it_serves);
    assert_eq!(app.number("SELECT count(*) FROM users"), 1);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE action = 'user.create'"),
        1
    );
    // Made once, it is not made again, whatever the settings say.
    let body = json!({"username": "chief", "password": PASSWORD});
    services[19]
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .expect(200);
}
