//! `rosterd doctor`, `rosterd completions` and `rosterd man`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::{Value, json};

use crate::support::binary;
use crate::support::binary::{ServiceProcess, TempDir};
use crate::support::programs::free_port;
use crate::support::{
    Cli, CommandOutput, RestrictedRole, SECRET_KEY, Schema, TestApp, superuser_url,
};

fn verdicts(output: &CommandOutput) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    output
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (text(&finding["check"]), text(&finding["verdict"])))
        .collect()
}

fn verdict(output: &CommandOutput, check: &str) -> String {
    let verdicts = self::verdicts(output);
    let matching = verdicts.iter().find(|(name, _)| name == check);
    matching.map_or_else(
        || panic!("no {check} in {verdicts:?}"),
        |(_, verdict)| verdict.clone(),
    )
}

#[test]
fn doctor_reports_no_problems_for_a_correct_setup() {
    let app = TestApp::start();
    app.super_admin_token();
    let cli = app
        .cli()
        .with("ROSTERD_PUBLIC_URL", "https://id.example.org")
        .with("ROSTERD_ADDR", &app.addr.to_string());
    let output = cli.run("doctor --json").expect(0);
    let all: Vec<String> = verdicts(&output)
        .into_iter()
        .map(|(check, verdict)| format!("{check} {verdict}"))
        .collect();
    assert_eq!(
        all,
        [
            "settings from ok",
            "data in ok",
            "settings ok",
            "public url ok",
            "database ok",
            "clock ok",
            "schema ok",
            "notifications ok",
            "signing keys ok",
            "super admins ok",
            "registration ok",
            "service ok"
        ]
    );
    let plain = cli.run("doctor").expect(0);
    assert!(
        plain
            .out
            .starts_with("ok\tsettings from\tthe environment\n"),
        "{}",
        plain.out
    );
}

#[test]
fn doctor_reports_each_problem() {
    let app = TestApp::start();
    let output = app.cli().run("doctor --json");
    let output = output.expect_error(1, "1 check failed");
    assert_eq!(verdict(&output, "super admins"), "wrong");
    assert_eq!(verdict(&output, "public url"), "warning");
    app.super_admin_token();
    app.execute("ALTER TABLE replicas DISABLE TRIGGER replicas_notify_on_update");
    let deaf = app.cli().run("doctor --json").expect(1);
    assert_eq!(verdict(&deaf, "notifications"), "wrong");
    app.execute("ALTER TABLE replicas ENABLE TRIGGER replicas_notify_on_update");

    let key = app
        .cli()
        .with("ROSTERD_SECRET_KEY", &SECRET_KEY.replace("c4", "4c"))
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&key, "signing keys"), "wrong");
    let url = app
        .cli()
        .with("ROSTERD_PUBLIC_URL", "http://id.example.org")
        .with("ROSTERD_ALLOW_INSECURE_HTTP", "1")
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&url, "public url"), "wrong");
    let setting = app
        .cli()
        .with("ROSTERD_ADRR", "1")
        .run("doctor --json")
        .expect(1);
    assert_eq!(
        verdicts(&setting),
        [("settings".to_owned(), "wrong".to_owned())]
    );
    let unreachable = app
        .cli()
        .with("DATABASE_URL", "postgres://127.0.0.1:1/none")
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&unreachable, "database"), "wrong");
    // A full disk is a reason why PostgreSQL does not start, so the disk is checked before.
    let empty_dir = TempDir::new();
    let no_cluster = Cli::new(vec![])
        .with("ROSTERD_DATA_DIR", empty_dir.path().to_str().unwrap())
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&no_cluster, "database"), "wrong");
    verdict(&no_cluster, "disk space");
    let outdated = Cli::new(binary::database_settings(&Schema::empty()))
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&outdated, "schema"), "wrong");
}

#[test]
fn doctor_warns_about_secret_files_that_others_can_read() {
    let app = TestApp::start();
    app.super_admin_token();
    let dir = TempDir::new();
    let path = dir.path().join("key");
    std::fs::write(&path, SECRET_KEY).unwrap();
    let mut settings = app.binary_settings();
    settings.retain(|(name, _)| name != "ROSTERD_SECRET_KEY");
    let cli = Cli::new(settings).with("ROSTERD_SECRET_KEY_FILE", path.to_str().unwrap());
    // The group of a file of root is that of the service.
    let group_readable = match std::fs::metadata(&path).unwrap().uid() {
        0 => "ok",
        _ => "warning",
    };
    for (mode, expected) in [
        (0o600, "ok"),
        (0o640, group_readable),
        (0o644, "warning"),
        (0o604, "warning"),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = cli.run("doctor --json").expect(0);
        assert_eq!(verdict(&output, "secret file"), expected, "{mode:o}");
    }
}

#[test]
fn doctor_checks_mail_registration_and_the_running_service() {
    let (app, mail) = TestApp::start_with_mail(&[]);
    let admin = app.super_admin_token();
    let metrics = format!("127.0.0.1:{}", free_port());
    let mut settings = app.binary_settings();
    settings.push(("ROSTERD_METRICS_ADDR".to_owned(), metrics.clone()));
    let service = ServiceProcess::start(&settings);
    let doctor = |smtp: &str, more: &[(&str, &str)]| {
        let mut cli = app.cli().with("ROSTERD_SMTP_URL", smtp);
        for (name, value) in [
            ("ROSTERD_MAIL_FROM", "id@example.org"),
            ("ROSTERD_ADDR", service.addr()),
            ("ROSTERD_METRICS_ADDR", &metrics),
        ]
        .iter()
        .chain(more)
        {
            cli = cli.with(name, value);
        }
        cli.run("doctor --json")
    };
    let good = doctor(&mail.url(), &[]).expect(0);
    for check in ["mail", "registration", "service"] {
        assert_eq!(verdict(&good, check), "ok", "{}", good.out);
    }
    let running = "is ready and receives change notifications; replicas on this database: 2";
    assert!(good.out.contains(running), "{}", good.out);

    let bad = doctor("smtp://127.0.0.1:1", &[("ROSTERD_ADDR", "127.0.0.1:1")]).expect(1);
    assert_eq!(verdict(&bad, "mail"), "wrong");
    assert_eq!(verdict(&bad, "service"), "warning");

    let invite = app.post("/api/v1/invites").bearer(&admin);
    invite.json(&json!({})).send().expect(201);
    for (registration, expected) in [("closed", "warning"), ("invite", "ok"), ("open", "ok")] {
        let output = doctor(&mail.url(), &[("ROSTERD_REGISTRATION", registration)]);
        let output = output.expect(0);
        assert_eq!(verdict(&output, "registration"), expected, "{registration}");
    }
    let open = app.cli().with("ROSTERD_REGISTRATION", "open");
    let open = open.run("doctor --json").expect(0);
    assert_eq!(verdict(&open, "registration"), "warning");
}

#[test]
fn doctor_names_the_missing_grants_of_a_separate_role() {
    let app = TestApp::start();
    app.super_admin_token();
    let role = RestrictedRole::create(&app);
    let doctor = || {
        let cli = app.cli().with("DATABASE_URL", &role.url);
        cli.run("doctor --json")
    };
    assert_eq!(verdict(&doctor().expect(0), "database grants"), "ok");
    let migrate = app.cli().with("DATABASE_URL", &role.url);
    let migrated = migrate.run("db migrate").expect(0);
    assert_eq!(migrated.err, "The schema is up to date.\n");
    app.execute(&format!(
        "REVOKE UPDATE ON sessions FROM {0}; REVOKE INSERT ON audit_events FROM {0};
         REVOKE EXECUTE ON FUNCTION prune_audit_log(bigint, bytea) FROM {0}",
        role.name
    ));
    let output = doctor().expect(1);
    assert_eq!(verdict(&output, "database grants"), "wrong");
    let missing = "missing: EXECUTE on prune_audit_log(bigint, bytea), INSERT on audit_events, UPDATE on sessions;";
    assert!(output.out.contains(missing), "{}", output.out);
}

#[test]
fn superuser_role_is_warned_of() {
    let app = TestApp::start();
    app.super_admin_token();
    let url = superuser_url(&app.url());
    let output = app.cli().with("DATABASE_URL", &url).run("doctor --json");
    assert_eq!(verdict(&output.expect(0), "database role"), "warning");
    let own_role = app.cli().run("doctor --json").expect(0);
    assert!(!own_role.out.contains("database role"), "{}", own_role.out);
    let mut settings = app.binary_settings();
    settings.retain(|(name, _)| name != "DATABASE_URL");
    settings.push(("DATABASE_URL".to_owned(), url));
    let mut service = ServiceProcess::start(&settings);
    service.wait_for_output("the role in DATABASE_URL is a superuser of PostgreSQL");
}

#[test]
fn completions_cover_every_command() {
    let cli = Cli::new(Vec::new());
    for (shell, word) in [
        ("bash", "_rosterd()"),
        ("zsh", "#compdef rosterd"),
        ("fish", "complete -c rosterd"),
    ] {
        let output = cli.run(&format!("completions {shell}")).expect(0);
        assert!(output.out.contains(word), "{shell}");
        assert!(output.out.contains("reset-link"), "{shell}");
    }
    let wrong = cli.run("completions cmd").expect(2);
    assert!(
        wrong
            .err
            .contains("[possible values: bash, elvish, fish, powershell, zsh]"),
        "{}",
        wrong.err
    );
}

#[test]
fn man_writes_a_page_for_each_command() {
    let dir = TempDir::new();
    let pages = dir.path().join("man1");
    Cli::new(Vec::new())
        .run(&format!("man {}", pages.display()))
        .expect(0);
    for page in [
        "rosterd.1",
        "rosterd-users.1",
        "rosterd-users-add.1",
        "rosterd-users-permissions-set.1",
    ] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    let add = std::fs::read_to_string(pages.join("rosterd-users-add.1")).unwrap();
    assert!(
        add.contains("rosterd users add ada"),
        "the page has examples"
    );
}
