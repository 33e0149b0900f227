//! `rosterd users` and `rosterd passwd`, on one account.

use serde_json::json;

use super::count_audit_rows;
use crate::support::{PASSWORD, TestApp, operator, wait_until};

const OTHER_PASSWORD: &str = "nine amber kettles by the sea";

fn login_status(app: &TestApp, username: &str, password: &str) -> u16 {
    let body = json!({"username": username, "password": password});
    app.post("/api/v1/auth/login").json(&body).send().status
}

#[test]
fn add_creates_an_account_with_every_option() {
    let app = TestApp::start();
    let cli = app.cli();
    let arguments = [
        "users",
        "add",
        " Ada ",
        "--name",
        "Ada Lovelace",
        "--email",
        "ada@example.org",
        "--admin",
        "--permission",
        "webhooks.manage",
        "--tag",
        "Staff",
        "--tag",
        "london",
        "--attr",
        "team=ops",
        "--attr",
        "level:=3",
        "--auth",
        "ldap",
        "--auth-id",
        "uid=ada",
        "--must-change-password",
        "--expires-at",
        "2090-01-31",
        "--password-stdin",
        "--json",
    ];
    let created = cli
        .run_with_input(&format!("{PASSWORD}\n"), &arguments)
        .expect(0);
    let user = created.json();
    let expected = json!({
        "username": "ada", "displayName": "Ada Lovelace", "email": "ada@example.org", "emailConfirmed": false,
        "role": "Admin", "permissions": ["webhooks.manage"], "tags": ["london", "staff"],
        "attributes": {"team": "ops", "level": 3}, "authProvider": "ldap", "authId": "uid=ada",
        "mustChangePassword": true, "hasPassword": true, "isActive": true,
        "expiresAtUtc": "2090-02-01T00:00:00Z",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(user[member], *value, "{member}");
    }
    assert_eq!(created.err, "");
    let shown = cli.run("users show ada --json").expect(0).json();
    assert_eq!(shown, user, "show prints the resource of the API");
    let over_http = app
        .get(&format!("/api/v1/users/{}", user["id"].as_str().unwrap()))
        .bearer(app.super_admin_token())
        .send()
        .expect(200);
    assert_eq!(*over_http.data(), user);
    assert_eq!(count_audit_rows(&app, "user.create", "done"), 1);
    let operator_query = "SELECT data->>'name' FROM audit_personal_data WHERE participant = 'actor' AND event_id = \
              (SELECT id FROM audit_events WHERE actor_kind = 'cli')";
    assert_eq!(app.query_text(operator_query), operator());
}

#[test]
fn add_without_a_password_prints_a_reset_link() {
    let app = TestApp::start();
    let created = app.cli().run("users add ada").expect(0);
    assert!(
        created
            .err
            .starts_with("User ada created.\nPassword reset link, valid once, until ")
    );
    let [link] = created.lines()[..] else {
        panic!("{}", created.out);
    };
    let token = link.split('=').next_back().unwrap();
    let body = json!({"token": token, "newPassword": OTHER_PASSWORD});
    app.post("/api/v1/auth/reset-password")
        .json(&body)
        .send()
        .expect(204);
    assert_eq!(login_status(&app, "ada", OTHER_PASSWORD), 200);
    assert_eq!(count_audit_rows(&app, "user.resetLink.create", "done"), 1);

    let created = app.cli().run("users add grace --json").expect(0).json();
    assert!(
        created["resetLink"]["url"]
            .as_str()
            .unwrap()
            .contains("rst_rst_")
    );
    for arguments in ["users add robot --no-login", "users add dora --auth ldap"] {
        let output = app.cli().run(arguments).expect(0);
        assert_eq!(output.out, "", "{arguments}: no reset link");
    }
}

#[test]
fn password_is_generated_or_given_with_a_warning() {
    let app = TestApp::start();
    let created = app.cli().run("users add ada --generate-password").expect(0);
    assert_eq!(login_status(&app, "ada", created.out.trim()), 200);

    let arguments = ["users", "add", "grace", "--password", PASSWORD];
    let created = app.cli().run_with_input("", &arguments).expect(0);
    assert!(
        created
            .err
            .starts_with("rosterd: warning: a password on the command line is visible"),
        "{}",
        created.err
    );
    assert_eq!(login_status(&app, "grace", PASSWORD), 200);

    let generated = app.cli().run("passwd grace --generate-password").expect(0);
    assert_eq!(login_status(&app, "grace", generated.out.trim()), 200);
    let both_options = app
        .cli()
        .run("passwd grace --generate-password --password-stdin");
    assert!(both_options.expect(2).err.contains("cannot be used with"));
}

#[test]
fn passwd_rm_needs_confirmation() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let refused = app.cli().run("passwd ada --rm");
    refused.expect_error(1, "standard input is not a terminal: use --yes");
    assert_eq!(login_status(&app, "ada", PASSWORD), 200);
    app.cli().run("passwd ada --rm --yes").expect(0);
    assert_eq!(login_status(&app, "ada", PASSWORD), 401);
    assert_eq!(count_audit_rows(&app, "user.password.remove", "done"), 1);
}

#[test]
fn mod_changes_the_named_members_only() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada --email ada@example.org --tag staff --attr team=ops --attr phone=1 --permission users.read").expect(0);
    let changed = cli
        .run("users mod ada --username ada.king --no-email --tag london --no-tag staff --attr team=math --no-attr phone --permission audit.read --no-permission users.read --must-change-password --no-login --expires-at 30d --json")
        .expect(0)
        .json();
    let expected = json!({
        "username": "ada.king", "email": null, "tags": ["london"], "attributes": {"team": "math"},
        "permissions": ["audit.read"], "mustChangePassword": true, "isActive": false, "role": "User",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(changed[member], *value, "{member}");
    }
    assert!(changed["expiresAtUtc"].is_string());
    let reverted = cli
        .run("users mod ada.king --login --no-must-change-password --no-expires-at --json")
        .expect(0)
        .json();
    assert_eq!(reverted["isActive"], true);
    assert_eq!(reverted["mustChangePassword"], false);
    assert_eq!(reverted["expiresAtUtc"], json!(null));
    cli.run("users mod ada.king").expect_error(
        2,
        "nothing to change: `rosterd users mod --help` lists the options",
    );
}

#[test]
fn role_switches_set_and_remove_roles() {
    let app = TestApp::start();
    app.super_admin_token();
    let cli = app.cli();
    cli.run("users add ada").expect(0);
    let role = |switch: &str| {
        let output = cli.run(&format!("users mod ada {switch} --json")).expect(0);
        output.json()["role"].as_str().unwrap().to_owned()
    };
    assert_eq!(role("--superadmin"), "SuperAdmin");
    assert_eq!(
        role("--no-admin --tag kept"),
        "SuperAdmin",
        "--no-admin does not affect a SuperAdmin"
    );
    assert_eq!(role("--no-superadmin"), "User");
    assert_eq!(role("--admin"), "Admin");
    assert_eq!(role("--no-admin"), "User");
    assert_eq!(role("--role Admin"), "Admin");
    cli.run("users mod ada --moderator").expect_error(
        1,
        "role: no role has this name; `rosterd roles ls` lists the roles",
    );
    app.create_role("Moderator", 50, &[]);
    assert_eq!(role("--moderator"), "Moderator");
    assert_eq!(role("--no-moderator"), "User");
    let both = cli.run("users mod ada --admin --superadmin").expect(2);
    assert!(
        both.err
            .contains("'--admin' cannot be used with '--superadmin'"),
        "{}",
        both.err
    );
}

#[test]
fn mod_with_an_error_changes_nothing() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada").expect(0);
    let before = cli.run("users show ada --json").expect(0).json();
    let output = cli.run("users mod ada --name Ada --permission users.raed");
    output.expect_error(
        1,
        "permissions: users.raed is not in the permission catalogue (permission_unknown); `rosterd permissions ls` lists the \
         catalogue, `rosterd permissions add` registers a permission",
    );
    cli.run_with_input(
        "short\n",
        &["users", "mod", "ada", "--name", "Ada", "--password-stdin"],
    )
    .expect(1);
    assert_eq!(cli.run("users show ada --json").expect(0).json(), before);
}

#[test]
fn running_server_applies_changes_of_the_command_line() {
    let app = TestApp::start();
    let (user, token) = app.create_signed_in_user("User", &["users.read"]);
    let path = format!("/api/v1/users/{}", user.id);
    let get_user = || app.get(&path).bearer(&token).send();
    get_user().expect(200);
    let cli = app.cli();
    cli.run(&format!("users tag {} staff", user.username))
        .expect(0);
    wait_until(|| get_user().body["data"]["tags"] == json!(["staff"]));
    cli.run(&format!("users permissions set {}", user.id))
        .expect(0);
    wait_until(|| get_user().status == 403);
    cli.run(&format!("users deactivate {}", user.username))
        .expect(0);
    wait_until(|| get_user().status == 401);
    cli.run(&format!("users activate {}", user.username))
        .expect(0);
    assert_eq!(get_user().status, 401, "ended sessions stay ended");
}

#[test]
fn permissions_can_be_set_and_checked() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada").expect(0);
    let set = cli
        .run("users permissions set ada users.read audit.read --json")
        .expect(0);
    assert_eq!(
        set.json()["permissions"],
        json!(["audit.read", "users.read"])
    );
    assert_eq!(cli.run("users can ada users.read").expect(0).out, "yes\n");
    assert_eq!(cli.run("users can ada users.create").expect(3).out, "no\n");
    assert_eq!(
        cli.run("users can ada users.create").err,
        "",
        "`no` is a result, not an error"
    );
    cli.run("users deactivate ada").expect(0);
    assert_eq!(cli.run("users can ada users.read").expect(3).out, "no\n");
    cli.run("users permissions set ada").expect(0);
    assert_eq!(
        cli.run("users show ada --json").json()["permissions"],
        json!([])
    );
    assert!(
        cli.run("users can ada users.fly")
            .expect(1)
            .err
            .contains("permission_unknown")
    );
}

#[test]
fn reset_link_has_the_requested_lifetime() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let cli = app.cli();
    let link = cli
        .run("users reset-link ada --expires-in 1h --json")
        .expect(0)
        .json();
    let body = json!({"token": link["token"], "newPassword": OTHER_PASSWORD});
    app.post("/api/v1/auth/reset-password")
        .json(&body)
        .send()
        .expect(204);
    assert_eq!(login_status(&app, "ada", OTHER_PASSWORD), 200);
    let plain = cli.run("users reset-link ada").expect(0);
    assert!(plain.lines()[0].starts_with("https://") || plain.lines()[0].starts_with("http://"));
    let long = cli.run("users reset-link ada --expires-in 8d").expect(2);
    assert!(
        long.err
            .contains("must be from 60 to 604800 seconds (7 days)")
    );
}

#[test]
fn deletion_needs_confirmation_and_can_be_restored() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let cli = app.cli();
    cli.run("users rm ada")
        .expect_error(1, "standard input is not a terminal: use --yes");
    cli.run("users rm ada --yes").expect(0);
    assert_eq!(login_status(&app, "ada", PASSWORD), 401);
    assert_eq!(
        cli.run("users ls --deleted --json").expect(0).json()[0]["username"],
        "ada"
    );
    assert_eq!(cli.run("users ls --json").expect(0).json(), json!([]));
    cli.run("users rm ada --yes").expect(0);
    cli.run("users restore ada").expect(0);
    assert_eq!(login_status(&app, "ada", PASSWORD), 200);
    cli.run("users rm ada --purge --yes").expect(0);
    cli.run("users show ada")
        .expect_error(1, "there is no user called ada");
    for (action, count) in [("user.delete", 2), ("user.restore", 1), ("user.purge", 1)] {
        assert_eq!(count_audit_rows(&app, action, "done"), count, "{action}");
    }
}

#[test]
fn email_can_be_confirmed_and_sessions_ended() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada --email ada@example.org --generate-password")
        .expect(0);
    cli.run("users confirm ada").expect(0);
    assert_eq!(
        cli.run("users show ada --json").json()["emailConfirmed"],
        true
    );
    cli.run("users unconfirm ada").expect(0);
    assert_eq!(
        cli.run("users show ada --json").json()["emailConfirmed"],
        false
    );
    let (user, token) = app.create_signed_in_user("User", &[]);
    cli.run(&format!("users sign-out {}", user.username))
        .expect(0);
    wait_until(|| app.get("/api/v1/auth/me").bearer(&token).send().status == 401);
    assert_eq!(count_audit_rows(&app, "user.signOut", "done"), 1);
}

#[test]
fn second_factor_can_be_removed() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    app.execute("UPDATE users SET mfa_enabled = true WHERE username = 'ada'");
    let cli = app.cli();
    cli.run("users mod ada --disable-2fa").expect(0);
    assert_eq!(
        app.query_number("SELECT count(*) FROM users WHERE mfa_enabled"),
        0
    );
    cli.run("users mod ada --disable-2fa").expect(0);
    assert_eq!(
        app.query_number("SELECT count(*) FROM audit_events WHERE action = 'user.mfa.remove'"),
        2
    );
}

#[test]
fn expiry_date_includes_the_day_and_must_be_in_the_future() {
    let app = TestApp::start();
    let cli = app.cli();
    let created = cli
        .run("users add ada --expires-at 2099-01-31 --json")
        .expect(0);
    assert_eq!(created.json()["expiresAtUtc"], "2099-02-01T00:00:00Z");
    for past in ["2020-01-31", "2020-01-31T12:00:00Z"] {
        let refused = cli.run(&format!("users add grace --expires-at {past}"));
        let message = "--expires-at is in the past: give a future time, or use --no-login";
        refused.expect_error(2, message);
    }
    let day = |days| app.query_text(&format!("SELECT (now() AT TIME ZONE 'UTC')::date + {days}"));
    let invite = cli.run(&format!("invites add --expires-at {} --json", day(5)));
    let next_day = format!("{}T00:00:00Z", day(6));
    assert!(
        invite.out.contains(&next_day),
        "{}{}",
        invite.out,
        invite.err
    );
    let token = cli
        .run("auth add ada --expires 3600 --json")
        .expect(0)
        .json();
    let seconds = app.query_number(&format!(
        "SELECT round(extract(epoch FROM '{}'::timestamptz - now()) / 600)",
        token["expiresAtUtc"].as_str().unwrap()
    ));
    assert_eq!(seconds, 6, "an hour, in units of ten minutes");
}
