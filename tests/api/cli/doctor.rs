//! `rosterd doctor`, and what shells and manuals are told.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::binary::{self, Folder};
use crate::support::{Cli, Ran, Schema, TestApp};

fn verdicts(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    ran.json()
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (text(&finding["check"]), text(&finding["verdict"])))
        .collect()
}

fn verdict(ran: &Ran, check: &str) -> String {
    let found = verdicts(ran);
    let one = found.iter().find(|(name, _)| name == check);
    one.map_or_else(
        || panic!("no {check} in {found:?}"),
        |(_, verdict)| verdict.clone(),
    )
}

#[test]
fn doctor_finds_nothing_where_nothing_is_wrong() {
    let app = TestApp::start();
    app.super_admin();
    let cli = app
        .cli()
        .with("ROSTERD_PUBLIC_URL", "https://id.example.org");
    let ran = cli.run("doctor --json").expect(0);
    let all: Vec<String> = verdicts(&ran)
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
            "signing keys ok",
            "super admins ok"
        ]
    );
    let plain = cli.run("doctor").expect(0);
    assert!(
        plain.out.starts_with("ok\tsettings\tall are understood\n"),
        "{}",
        plain.out
    );
}

#[test]
fn doctor_says_what_is_wrong() {
    let app = TestApp::start();
    let ran = app.cli().run("doctor --json");
    let ran = ran.expect_error(1, "one thing is wrong");
    assert_eq!(verdict(&ran, "super admins"), "wrong");
    assert_eq!(verdict(&ran, "public url"), "warning");
    app.super_admin();

    let key = app
        .cli()
        .with("ROSTERD_SECRET_KEY", &"a5".repeat(32))
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&key, "signing keys"), "wrong");
    let url = app
        .cli()
        .with("ROSTERD_PUBLIC_URL", "http://id.example.org")
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
    let gone = app
        .cli()
        .with("DATABASE_URL", "postgres://127.0.0.1:1/none")
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&gone, "database"), "wrong");
    let behind = Cli::new(binary::on(&Schema::empty()))
        .run("doctor --json")
        .expect(1);
    assert_eq!(verdict(&behind, "schema"), "wrong");
}

#[test]
fn doctor_looks_at_who_can_read_secrets() {
    let app = TestApp::start();
    app.super_admin();
    let folder = Folder::new();
    let path = folder.path().join("key");
    std::fs::write(&path, "5a".repeat(32)).unwrap();
    let mut settings = app.settings_for_the_binary();
    settings.retain(|(name, _)| name != "ROSTERD_SECRET_KEY");
    let cli = Cli::new(settings).with("ROSTERD_SECRET_KEY_FILE", path.to_str().unwrap());
    for (mode, expected) in [(0o600, "ok"), (0o640, "warning"), (0o604, "warning")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let ran = cli.run("doctor --json").expect(0);
        assert_eq!(verdict(&ran, "secret file"), expected, "{mode:o}");
    }
}

#[test]
fn shells_are_told_of_every_command() {
    let cli = Cli::new(Vec::new());
    for (shell, word) in [
        ("bash", "_rosterd()"),
        ("zsh", "#compdef rosterd"),
        ("fish", "complete -c rosterd"),
    ] {
        let ran = cli.run(&format!("completions {shell}")).expect(0);
        assert!(ran.out.contains(word), "{shell}");
        assert!(ran.out.contains("reset-link"), "{shell}");
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
fn the_manual_has_a_page_for_each_command() {
    let folder = Folder::new();
    let pages = folder.path().join("man1");
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
    assert!(add.contains("rosterd users add ada"), "with its examples");
}
