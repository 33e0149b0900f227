//! Output formats: plain text, JSON, CSV, TSV and Markdown.

use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::support::{TestApp, TestUser};

fn create_three_users(app: &TestApp) -> Vec<TestUser> {
    ["ada", "grace", "joan"]
        .map(|name| app.create_user(name, "User", &[]))
        .into()
}

#[test]
fn csv_has_a_column_for_every_member_of_an_account() {
    let app = TestApp::start();
    let ada = app.create_user("ada", "User", &[]);
    let admin = app.super_admin_token();
    let path = format!("/api/v1/users/{}", ada.id);
    let account = app.get(&path).bearer(&admin).send().expect(200);
    let mut members: Vec<String> = account
        .data()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let csv = app.cli().run("users ls ada --csv").expect(0).out;
    let header = csv.lines().next().unwrap();
    let mut columns: Vec<String> = header.split(',').map(ToOwned::to_owned).collect();
    members.sort();
    columns.sort();
    assert_eq!(columns, members);
}

#[test]
fn list_is_printed_in_the_requested_format() {
    let app = TestApp::start();
    let users = create_three_users(&app);
    app.execute(
        "UPDATE users SET display_name = 'Ada \"the first\", King' || chr(27) || '[2J', created_at = '2026-01-02 03:04:05.678Z', \
         tags = '{london,staff}' WHERE username = 'ada'",
    );
    let cli = app.cli();
    let list = |format: &str| cli.run(&format!("users ls ada{format}")).expect(0).out;
    assert_eq!(
        list(""),
        "ada\tAda \"the first\", King\\\\u{1b}[2J\t\tUser\tyes\t\n",
        "control characters are escaped"
    );
    assert_eq!(list(" --json").chars().next(), Some('['));
    let parsed: serde_json::Value = serde_json::from_str(&list(" --json")).unwrap();
    assert_eq!(parsed[0]["id"], json!(users[0].id));
    assert_eq!(parsed[0]["tags"], json!(["london", "staff"]));
    let csv = list(" --csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("id,username,displayName,email,emailConfirmed,role,isActive,"));
    assert!(
        lines[1].starts_with(&format!(
            "{},ada,\"Ada \"\"the first\"\", King\u{1b}[2J\",,false,User,true,",
            users[0].id
        )),
        "{csv}"
    );
    assert!(lines[1].contains(",london staff,{},"), "{csv}");
    assert!(lines[1].contains(",2026-01-02T03:04:05Z,"), "{csv}");
    let tsv = list(" --tsv");
    assert_eq!(tsv.lines().count(), 2);
    assert!(
        tsv.lines()
            .all(|line| line.split('\t').count() == lines[0].split(',').count())
    );
    let markdown = cli.run("users ls grace --md").expect(0).out;
    assert_eq!(
        markdown,
        "| USERNAME | NAME | EMAIL | ROLE | ACTIVE | LAST LOGIN |\n| --- | --- | --- | --- | --- | --- |\n| grace |  |  | User | yes |  |\n"
    );
    let two_formats = cli.run("users ls --json --csv").expect(2);
    assert!(
        two_formats
            .err
            .contains("'--json' cannot be used with '--csv'"),
        "{}",
        two_formats.err
    );
}

#[test]
fn empty_list_prints_nothing_in_plain_text_and_an_empty_array_in_json() {
    let app = TestApp::start();
    let cli = app.cli();
    assert_eq!(cli.run("users ls").expect(0).out, "");
    assert_eq!(cli.run("users ls --json").expect(0).out, "[]\n");
    assert_eq!(cli.run("users ls --tsv").expect(0).lines().len(), 1);
}

#[test]
fn list_follows_limit_and_sort_order() {
    let app = TestApp::start();
    create_three_users(&app);
    let cli = app.cli();
    let names = |line: &str| -> Vec<String> {
        let output = cli.run(line).expect(0);
        output
            .lines()
            .iter()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("users ls --sort username"), ["ada", "grace", "joan"]);
    assert_eq!(names("users ls --sort -username -n 2"), ["joan", "grace"]);
    assert_eq!(names("users ls ra"), ["grace"]);
    assert!(cli.run("users ls -n 0").expect(2).err.contains("--limit"));
    assert!(
        cli.run("users ls --sort age")
            .expect(2)
            .err
            .contains("expected createdAtUtc")
    );
    app.execute(
        "INSERT INTO users (id, username, role, created_at, updated_at) SELECT gen_random_uuid(), 'many-' || n, 'User', now(), now() FROM generate_series(1, 450) n",
    );
    let all = names("users ls");
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(
        (all.len(), distinct.len()),
        (453, 453),
        "all pages are printed"
    );
    assert_eq!(names("users ls -n 201").len(), 201);
}

#[test]
fn single_resource_is_printed_one_member_per_line() {
    let app = TestApp::start();
    create_three_users(&app);
    let cli = app.cli();
    let plain = cli.run("users show ada").expect(0);
    assert!(plain.out.contains("username\tada\n"), "{}", plain.out);
    assert!(plain.out.contains("isActive\tyes\n"), "{}", plain.out);
    let markdown = cli.run("users show ada --md").expect(0);
    assert!(
        markdown
            .out
            .starts_with("| member | value |\n| --- | --- |\n| id | ")
    );
    assert_eq!(cli.run("users show ada --csv").expect(0).lines().len(), 2);
}

#[test]
fn closed_output_pipe_ends_the_command_without_an_error() {
    let app = TestApp::start();
    app.execute(
        "INSERT INTO users (id, username, role, created_at, updated_at) SELECT gen_random_uuid(), 'many-' || n, 'User', now(), now() FROM generate_series(1, 3000) n",
    );
    for line in ["users ls --json", "users ls", "openapi", "completions bash"] {
        let mut child = app
            .cli()
            .command(line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), message.as_str()),
            (Some(0), ""),
            "{line}"
        );
    }
}
