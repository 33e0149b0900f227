//! `rosterd doctor`, `rosterd completions` and `rosterd man`.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::binary;
use crate::support::binary::TempDir;
use crate::support::{Cli, CommandOutput, SECRET_KEY, Schema, TestApp};

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
        .with("ROSTERD_PUBLIC_URL", "https://id.example.org");
    let output = cli.run("doctor --json").expect(0);
    let all: Vec<String> = verdicts(&output)
        .into_iter()
        .map(|(check, verdict)| format!("{check} {verdict}"))
        .collect();
    assert_eq!(
        all,
        [
            "settings ok",
            "public url ok",
            "database ok",
            "clock ok",
            "schema ok",
            "notifications ok",
            "signing keys ok",
            "super admins ok"
        ]
    );
    let plain = cli.run("doctor").expect(0);
    assert!(
        plain.out.starts_with("ok\tsettings\tall are valid\n"),
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
    for (mode, expected) in [(0o600, "ok"), (0o640, "warning"), (0o604, "warning")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = cli.run("doctor --json").expect(0);
        assert_eq!(verdict(&output, "secret file"), expected, "{mode:o}");
    }
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
