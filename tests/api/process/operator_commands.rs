//! The commands of an operator beside `serve`.

use std::net::TcpListener;

use crate::support::binary::{
    ServiceProcess, TempDir, database_settings, expect_error_line, run_rosterd,
};
use crate::support::{PASSWORD, Schema, TestApp};

const OTHER_PASSWORD: &str = "nine amber kettles by the sea";

#[test]
fn missing_command_exits_with_2_and_version_prints_the_version() {
    let output = run_rosterd(&[], &[], "");
    assert_eq!(output.status.code(), Some(2));
    let output = run_rosterd(&["--version"], &[], "");
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("rosterd {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn openapi_needs_no_settings_and_no_database() {
    let wrong = [("ROSTERD_NO_SUCH_SETTING".to_owned(), "1".to_owned())];
    let output = run_rosterd(&["openapi"], &wrong, "");
    assert!(output.status.success());
    assert_eq!(output.stdout, rosterd::server::openapi::text().into_bytes());
}

#[test]
fn health_checks_the_local_service() {
    let schema = Schema::new();
    let service = ServiceProcess::start(&database_settings(&schema));
    let mut settings = database_settings(&schema);
    settings.push(("ROSTERD_ADDR".to_owned(), service.addr().to_owned()));
    let output = run_rosterd(&["health"], &settings, "");
    assert!(output.status.success());
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let port = service.addr().rsplit(':').next().unwrap();
    settings.pop();
    settings.push(("ROSTERD_ADDR".to_owned(), format!("0.0.0.0:{port}")));
    assert!(run_rosterd(&["health"], &settings, "").status.success());
    drop(service);
    assert!(
        expect_error_line(&run_rosterd(&["health"], &settings, "")).starts_with("no response: ")
    );
    // A listener that never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    settings.pop();
    settings.push((
        "ROSTERD_ADDR".to_owned(),
        silent.local_addr().unwrap().to_string(),
    ));
    assert!(
        expect_error_line(&run_rosterd(&["health"], &settings, "")).starts_with("no response: ")
    );
}

#[test]
fn db_migrate_prints_its_plan_and_applies_it_once() {
    let schema = Schema::empty();
    let lines = |arguments: &[&str]| {
        let output = run_rosterd(arguments, &database_settings(&schema), "");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let plan = lines(&["db", "migrate", "--plan"]);
    assert!(plan.len() >= 5, "{plan:?}");
    assert_eq!(
        lines(&["db", "migrate", "--plan"]),
        plan,
        "--plan changes nothing"
    );
    assert_eq!(lines(&["db", "migrate"]), plan);
    assert!(lines(&["db", "migrate"]).is_empty());
    assert!(lines(&["db", "migrate", "--plan"]).is_empty());
}

#[test]
fn passwd_sets_a_new_password_and_ends_the_sessions() {
    let app = TestApp::start();
    let user = app.create_user("ada", "User", &[]);
    let token = app.token("ada");
    let settings = app.binary_settings();
    let input = format!("{OTHER_PASSWORD}\nmore\n");
    let output = run_rosterd(&["passwd", "Ada", "--password-stdin"], &settings, &input);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(
        stderr,
        "Password of ada set; all sessions and access tokens were ended.\n"
    );
    app.get("/api/v1/auth/me").bearer(token).send().expect(401);
    let login = |password| {
        let body = serde_json::json!({"username": "ada", "password": password});
        app.post("/api/v1/auth/login").json(&body).send().status
    };
    assert_eq!((login(PASSWORD), login(OTHER_PASSWORD)), (401, 200));
    let audited = format!(
        "SELECT count(*) FROM audit_events WHERE subject_id = '{}' AND actor_kind = 'cli'",
        user.id
    );
    assert_eq!(app.query_number(&audited), 1);
}

#[test]
fn passwd_reports_errors_in_one_line() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let settings = app.binary_settings();
    for (name, input, expected) in [
        ("nobody", OTHER_PASSWORD, "there is no user called nobody"),
        ("ada", "short", "password: "),
        ("ada", "", "password: "),
    ] {
        let output = run_rosterd(&["passwd", name, "--password-stdin"], &settings, input);
        let line = expect_error_line(&output);
        assert!(line.starts_with(expected), "{line}");
    }
    let line = expect_error_line(&run_rosterd(&["passwd", "ada"], &settings, OTHER_PASSWORD));
    assert!(line.contains("--password-stdin"), "{line}");
}

#[test]
fn commands_do_not_create_a_private_cluster() {
    let dir = TempDir::new();
    for arguments in [
        &["db", "migrate"][..],
        &["passwd", "ada", "--password-stdin"],
    ] {
        let line = expect_error_line(&run_rosterd(
            arguments,
            &dir.private_cluster_settings(),
            OTHER_PASSWORD,
        ));
        assert!(line.starts_with("no database at "), "{line}");
    }
    assert!(!dir.data_dir().exists());
}

#[test]
fn command_starts_and_stops_the_private_cluster_without_a_running_service() {
    let dir = TempDir::new();
    let mut service = ServiceProcess::start(&dir.private_cluster_settings());
    let set_password = |input: &str| {
        let arguments = ["passwd", "admin", "--password-stdin"];
        assert!(
            run_rosterd(&arguments, &dir.private_cluster_settings(), input)
                .status
                .success()
        );
    };
    set_password(OTHER_PASSWORD);
    assert_ne!(
        service.token("admin", OTHER_PASSWORD),
        "",
        "while the service runs"
    );
    service.signal("-TERM");
    assert!(service.wait_for_exit().success());
    set_password(PASSWORD);
    assert_eq!(dir.postmaster_pid(), None);
    let service = ServiceProcess::start(&dir.private_cluster_settings());
    assert_ne!(
        service.token("admin", PASSWORD),
        "",
        "while the service is stopped"
    );
}
