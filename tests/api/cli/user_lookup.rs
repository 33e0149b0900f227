//! How commands find a user by id, username or email address.

use serde_json::json;

use crate::support::TestApp;

const PASSWORD: &str = "nine amber kettles by the sea";

#[test]
fn account_is_found_by_username_id_or_email() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada --email Ada@Example.org").expect(0);
    let user = cli.run("users show ADA --json").expect(0).json();
    let by_id = cli.run(&format!(
        "users show {} --json",
        user["id"].as_str().unwrap()
    ));
    assert_eq!(by_id.expect(0).json(), user);
    cli.run("users show ada@example.org").expect_error(
        1,
        "no user has the confirmed email address ada@example.org; use the username or id",
    );
    cli.run("users confirm ada").expect(0);
    let by_email = cli.run("users show ada@example.org --json").expect(0);
    assert_eq!(by_email.json()["id"], user["id"]);
    cli.run("users show nobody")
        .expect_error(1, "there is no user called nobody");
}

// SECURITY: D04
#[test]
fn nobody_takes_the_place_of_another_user_in_commands() {
    let app = TestApp::start_with(&[("ROSTERD_REGISTRATION", "open")]);
    let cli = app.cli();
    let (victim, _) = app.create_signed_in_user("User", &[]);
    let register = |username: &str, email: &str| {
        let body = json!({"username": username, "password": PASSWORD, "email": email});
        app.post("/api/v1/auth/register").json(&body).send()
    };
    for name in [victim.id.clone(), victim.id.replace('-', "")] {
        register(&name, "mallory@example.org").expect_field_error("/username", "reserved");
        let inserted = diesel::sql_query(format!(
            "INSERT INTO users (id, username, role, created_at, updated_at) VALUES (gen_random_uuid(), '{name}', 'User', now(), now())"
        ));
        let error = diesel::RunQueryDsl::execute(inserted, &mut app.sql()).unwrap_err();
        assert!(error.to_string().contains("users_username_not_uuid_check"));
    }
    // The address of another person, not confirmed.
    register("mallory", "boss@example.org").expect(201);
    cli.run("users mod boss@example.org --role Admin").expect(1);
    cli.run(&format!("users mod {} --role Admin", victim.id))
        .expect(0);
    assert_eq!(
        app.query_text("SELECT username FROM users WHERE role = 'Admin'"),
        victim.username
    );
    // Even if two accounts can be meant, none is chosen silently.
    app.execute("UPDATE users SET email = 'boss@example.org', email_confirmed = true WHERE username = 'mallory'");
    app.execute(&format!(
        "UPDATE users SET username = 'boss@example.org' WHERE id = '{}'",
        victim.id
    ));
    let refused = cli.run("users deactivate boss@example.org --yes").expect(1);
    assert!(
        refused.err.contains("can mean") && refused.err.contains(&victim.id),
        "{}",
        refused.err
    );
}

#[test]
fn beginning_of_an_id_is_sufficient_if_no_other_id_begins_so() {
    let app = TestApp::start();
    let cli = app.cli();
    let (user, _) = app.create_signed_in_user("User", &[]);
    app.execute(&format!(
        "UPDATE users SET id = 'aaaaaaaa-0000-7000-8000-000000000001' WHERE id = '{}'",
        app.create_user("other", "User", &[]).id
    ));
    let shown = cli.run("users show aaaaaaaa --json").expect(0).json();
    assert_eq!(shown["username"], "other");
    let (beginning, _) = user.id.split_at(30);
    cli.run(&format!("users deactivate {beginning}")).expect(0);
    cli.run("users show aaaaaaa")
        .expect_error(1, "there is no user called aaaaaaa");

    // A user cannot take the place of another with a username.
    app.create_user("aaaaaaaa-0000", "User", &[]);
    let refused = cli.run("users rm aaaaaaaa-0000 --yes").expect(1);
    assert!(refused.err.contains("can mean"), "{}", refused.err);
    app.execute(&format!(
        "UPDATE users SET id = 'aaaaaaaa-0000-7000-8000-000000000002' WHERE id = '{}'",
        app.create_user("third", "User", &[]).id
    ));
    cli.run("users show aaaaaaaa")
        .expect_error(1, "several ids begin with aaaaaaaa: type more of the id");
}

#[test]
fn sessions_tokens_clients_and_invites_are_found_by_the_beginning_of_their_id() {
    let app = TestApp::start();
    let cli = app.cli();
    let (user, _) = app.create_signed_in_user("User", &[]);
    let run = |line: &str| cli.run(line).expect(0);
    let id = |value: &serde_json::Value| value["id"].as_str().unwrap().split_at(30).0.to_owned();
    let token = run(&format!("auth add {} -n backup --json", user.username)).json();
    assert_eq!(
        run(&format!("auth show {} --json", id(&token))).json()["name"],
        "backup"
    );
    run(&format!("auth rm {}", id(&token)));
    let session = app.query_text("SELECT id FROM sessions");
    run(&format!("auth rm {}", session.split_at(30).0));
    assert_eq!(
        app.query_number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"),
        0
    );
    let client = run("clients add media --json").json();
    assert_eq!(
        run(&format!("clients show {} --json", id(&client))).json()["name"],
        "media"
    );
    run(&format!("clients rm {} --yes", id(&client)));
    let invite = run("invites add --json").json();
    run(&format!("invites revoke {}", id(&invite)));
}
