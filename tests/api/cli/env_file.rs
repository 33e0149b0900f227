//! Which settings and which database a command uses: `--env-file` and `--verbose`.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::binary::TempDir;
use crate::support::{Cli, TestApp};

/// A file with the settings of this app, and a command line without any.
fn settings_file(app: &TestApp, dir: &TempDir) -> (String, Cli) {
    let mut text = String::new();
    for (name, value) in app.binary_settings() {
        writeln!(text, "{name}='{value}'").unwrap();
    }
    let path = dir.path().join("rosterd.env");
    std::fs::write(&path, text).unwrap();
    (path.to_str().unwrap().to_owned(), Cli::new(Vec::new()))
}

#[test]
fn named_file_provides_the_settings_and_the_environment_takes_precedence() {
    let (app, dir) = (TestApp::start(), TempDir::new());
    app.create_user("ada", "User", &[]);
    let (file, cli) = settings_file(&app, &dir);
    for line in [
        format!("--env-file {file} users ls --tsv"),
        format!("users ls --tsv --env-file {file}"),
    ] {
        let listed = cli.run(&line).expect(0);
        assert!(listed.out.contains("\tada\t"), "{}", listed.out);
    }
    let other = TestApp::start();
    let cli = cli.with("DATABASE_URL", &other.url());
    let listed = cli.run(&format!("users ls --tsv --env-file {file}"));
    assert!(!listed.expect(0).out.contains("ada"));
}

#[test]
fn verbose_command_says_which_database_it_uses() {
    let (app, dir) = (TestApp::start(), TempDir::new());
    let (file, cli) = settings_file(&app, &dir);
    let listed = cli.run(&format!("--verbose users ls --env-file {file}"));
    let message = listed.expect(0).err;
    assert!(
        message.starts_with(&format!(
            "settings: the environment and {file}\ndata: postgresql://rosterd@"
        )),
        "{message}"
    );
    let schema = app.query_text("SELECT current_schema()");
    assert!(message.contains(&schema), "{message}");
    let (_, rest) = app
        .url()
        .split_once("rosterd:")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (password, _) = rest.split_once('@').unwrap();
    assert!(!message.contains(password), "{message}");

    let data = dir.path().join("none");
    let private = cli.with("ROSTERD_DATA_DIR", data.to_str().unwrap());
    let failed = private.run("--verbose users ls").expect(1);
    let expected = format!(
        "settings: the environment\ndata: the private cluster in {}\n",
        data.display()
    );
    assert!(failed.err.starts_with(&expected), "{}", failed.err);
}

#[test]
fn named_file_that_cannot_be_read_is_an_error() {
    let output = Cli::new(Vec::new()).run("users ls --env-file /no/such/file");
    let message = "/no/such/file: the file cannot be read: entity not found";
    output.expect_error(1, message);
}

/// `sudo -u rosterd rosterd …` keeps the working directory, which is often a home directory that only its owner can enter.
#[test]
fn working_directory_that_the_user_cannot_enter_contains_no_settings() {
    let dir = TempDir::new();
    let rosterd = env!("CARGO_BIN_EXE_rosterd");
    // Root can enter every directory, so the command runs as another user.
    let script = format!(
        "as=; test \"$(id -u)\" -ne 0 || as='setpriv --reuid=65534 --clear-groups'\n\
         $as test -x {rosterd} || exit 77\n\
         cd {} && chmod 0 . && exec $as {rosterd} doctor",
        dir.path().display()
    );
    let mut command = Command::new("sh");
    let output = command
        .args(["-c", &script])
        .env("ROSTERD_DATA_DIR", "/nonexistent/rosterd")
        .output()
        .unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    if output.status.code() == Some(77) {
        eprintln!("skipped: an unprivileged user cannot run the binary here");
        return;
    }
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("no database at"), "{report}");
}
