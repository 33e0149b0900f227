//! `rosterd users` and `rosterd passwd`, one account at a time.

use serde_json::json;

use super::audited;
use crate::support::{OPERATOR, PASSWORD, TestApp, eventually};

const ANOTHER: &str = "nine amber kettles by the sea";

fn login(app: &TestApp, username: &str, password: &str) -> u16 {
    let body = json!({"username": username, "password": password});
    app.post("/api/v1/auth/login").json(&body).send().status
}

#[test]
fn add_makes_an_account_with_all_that_is_said_of_it() {
    let app = TestApp::start();
    let cli = app.cli();
    let words = [
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
    let made = cli.run_with(&format!("{PASSWORD}\n"), &words).expect(0);
    let user = made.json();
    let expected = json!({
        "username": "ada", "displayName": "Ada Lovelace", "email": "ada@example.org", "emailConfirmed": false,
        "role": "Admin", "permissions": ["webhooks.manage"], "tags": ["london", "staff"],
        "attributes": {"team": "ops", "level": 3}, "authProvider": "ldap", "authId": "uid=ada",
        "mustChangePassword": true, "hasPassword": true, "isActive": true,
        "expiresAtUtc": "2090-01-31T00:00:00Z",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(user[member], *value, "{member}");
    }
    assert_eq!(made.err, "");
    let shown = cli.run("users show ada --json").expect(0).json();
    assert_eq!(shown, user, "shown as the API has it");
    let over_http = app
        .get(&format!("/api/v1/users/{}", user["id"].as_str().unwrap()))
        .by(app.super_admin())
        .send()
        .expect(200);
    assert_eq!(*over_http.data(), user);
    assert_eq!(audited(&app, "user.create", "done"), 1);
    let by = "SELECT words->>'name' FROM audit_people WHERE part = 'actor' AND event_id = \
              (SELECT id FROM audit_events WHERE actor_kind = 'cli')";
    assert_eq!(app.text(by), OPERATOR);
}

#[test]
fn without_a_password_add_prints_a_link_that_sets_one() {
    let app = TestApp::start();
    let made = app.cli().run("users add ada").expect(0);
    assert!(
        made.err
            .starts_with("ada is made.\nIts password is set with this link, once, until ")
    );
    let [link] = made.lines()[..] else {
        panic!("{}", made.out);
    };
    let token = link.split('=').next_back().unwrap();
    let body = json!({"token": token, "newPassword": ANOTHER});
    app.post("/api/v1/auth/reset-password")
        .json(&body)
        .send()
        .expect(204);
    assert_eq!(login(&app, "ada", ANOTHER), 200);
    assert_eq!(audited(&app, "user.resetLink.create", "done"), 1);

    let made = app.cli().run("users add grace --json").expect(0).json();
    assert!(
        made["resetLink"]["url"]
            .as_str()
            .unwrap()
            .contains("rst_rst_")
    );
    for words in ["users add robot --no-login", "users add dora --auth ldap"] {
        let ran = app.cli().run(words).expect(0);
        assert_eq!(ran.out, "", "{words}: a link would be good for nothing");
    }
}

#[test]
fn a_password_is_made_up_read_or_warned_about() {
    let app = TestApp::start();
    let made = app.cli().run("users add ada --generate-password").expect(0);
    assert_eq!(login(&app, "ada", made.out.trim()), 200);

    let words = ["users", "add", "grace", "--password", PASSWORD];
    let made = app.cli().run_with("", &words).expect(0);
    assert!(
        made.err
            .starts_with("rosterd: warning: others can read a password"),
        "{}",
        made.err
    );
    assert_eq!(login(&app, "grace", PASSWORD), 200);

    let set = app.cli().run("passwd grace --generate-password").expect(0);
    assert_eq!(login(&app, "grace", set.out.trim()), 200);
    let twice = app
        .cli()
        .run("passwd grace --generate-password --password-stdin");
    assert!(twice.expect(2).err.contains("cannot be used with"));
}

#[test]
fn passwd_removes_a_password_when_it_is_told_twice() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let refused = app.cli().run("passwd ada --rm");
    refused.expect_error(1, "there is no terminal to ask on: use --yes");
    assert_eq!(login(&app, "ada", PASSWORD), 200);
    app.cli().run("passwd ada --rm --yes").expect(0);
    assert_eq!(login(&app, "ada", PASSWORD), 401);
    assert_eq!(audited(&app, "user.password.remove", "done"), 1);
}

#[test]
fn mod_changes_what_is_named_and_keeps_the_rest() {
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
    let back = cli
        .run("users mod ada.king --login --no-must-change-password --no-expires-at --json")
        .expect(0)
        .json();
    assert_eq!(back["isActive"], true);
    assert_eq!(back["mustChangePassword"], false);
    assert_eq!(back["expiresAtUtc"], json!(null));
    cli.run("users mod ada.king").expect_error(
        2,
        "nothing is to be changed: `rosterd users mod --help` shows what can be",
    );
}

#[test]
fn roles_are_given_and_taken_by_switches() {
    let app = TestApp::start();
    app.super_admin();
    let cli = app.cli();
    cli.run("users add ada").expect(0);
    let role = |switch: &str| {
        let ran = cli.run(&format!("users mod ada {switch} --json")).expect(0);
        ran.json()["role"].as_str().unwrap().to_owned()
    };
    assert_eq!(role("--superadmin"), "SuperAdmin");
    assert_eq!(
        role("--no-admin --tag kept"),
        "SuperAdmin",
        "it is no Admin"
    );
    assert_eq!(role("--no-superadmin"), "User");
    assert_eq!(role("--admin"), "Admin");
    assert_eq!(role("--no-admin"), "User");
    assert_eq!(role("--role Admin"), "Admin");
    cli.run("users mod ada --moderator").expect_error(
        1,
        "role: there is no role of this name; `rosterd roles ls` shows the roles",
    );
    app.role("Moderator", 50, &[]);
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
fn mod_does_all_or_nothing() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada").expect(0);
    let before = cli.run("users show ada --json").expect(0).json();
    let ran = cli.run("users mod ada --name Ada --permission users.raed");
    ran.expect_error(
        1,
        "permissions: users.raed is not in the catalogue (permission_unknown); `rosterd permissions ls` shows the \
         catalogue, `rosterd permissions add` registers one",
    );
    cli.run_with(
        "short\n",
        &["users", "mod", "ada", "--name", "Ada", "--password-stdin"],
    )
    .expect(1);
    assert_eq!(cli.run("users show ada --json").expect(0).json(), before);
}

#[test]
fn a_running_server_sees_changes_at_once() {
    let app = TestApp::start();
    let (user, token) = app.someone("User", &["users.read"]);
    let path = format!("/api/v1/users/{}", user.id);
    let shown = || app.get(&path).by(&token).send();
    shown().expect(200);
    let cli = app.cli();
    cli.run(&format!("users tag {} staff", user.username))
        .expect(0);
    eventually(|| shown().body["data"]["tags"] == json!(["staff"]));
    cli.run(&format!("users permissions set {}", user.id))
        .expect(0);
    eventually(|| shown().status == 403);
    cli.run(&format!("users deactivate {}", user.username))
        .expect(0);
    eventually(|| shown().status == 401);
    cli.run(&format!("users activate {}", user.username))
        .expect(0);
    assert_eq!(shown().status, 401, "what was ended stays ended");
}

#[test]
fn permissions_are_set_and_asked() {
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
    assert_eq!(cli.run("users can ada users.create").expect(1).out, "no\n");
    assert_eq!(
        cli.run("users can ada users.create").err,
        "",
        "no is an answer, not an error"
    );
    cli.run("users deactivate ada").expect(0);
    assert_eq!(cli.run("users can ada users.read").expect(1).out, "no\n");
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
fn accounts_are_found_by_name_id_and_address() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("users add ada --email Ada@Example.org").expect(0);
    let user = cli.run("users show ADA --json").expect(0).json();
    let by_id = cli.run(&format!(
        "users show {} --json",
        user["id"].as_str().unwrap()
    ));
    assert_eq!(by_id.expect(0).json(), user);
    assert_eq!(
        cli.run("users show ada@example.org --json")
            .expect(0)
            .json(),
        user
    );
    cli.run("users show nobody")
        .expect_error(1, "there is no account called nobody");
}

#[test]
fn reset_links_live_as_long_as_is_said() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let cli = app.cli();
    let link = cli
        .run("users reset-link ada --expires-in 1h --json")
        .expect(0)
        .json();
    let body = json!({"token": link["token"], "newPassword": ANOTHER});
    app.post("/api/v1/auth/reset-password")
        .json(&body)
        .send()
        .expect(204);
    assert_eq!(login(&app, "ada", ANOTHER), 200);
    let plain = cli.run("users reset-link ada").expect(0);
    assert!(plain.lines()[0].starts_with("https://") || plain.lines()[0].starts_with("http://"));
    let long = cli.run("users reset-link ada --expires-in 8d").expect(2);
    assert!(
        long.err
            .contains("a reset link lives from 60 seconds to 604800 (7 days)")
    );
}

#[test]
fn deleting_asks_and_restoring_brings_back() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    let cli = app.cli();
    cli.run("users rm ada")
        .expect_error(1, "there is no terminal to ask on: use --yes");
    cli.run("users rm ada --yes").expect(0);
    assert_eq!(login(&app, "ada", PASSWORD), 401);
    assert_eq!(
        cli.run("users ls --deleted --json").expect(0).json()[0]["username"],
        "ada"
    );
    assert_eq!(cli.run("users ls --json").expect(0).json(), json!([]));
    cli.run("users rm ada --yes").expect(0);
    cli.run("users restore ada").expect(0);
    assert_eq!(login(&app, "ada", PASSWORD), 200);
    cli.run("users rm ada --purge --yes").expect(0);
    cli.run("users show ada")
        .expect_error(1, "there is no account called ada");
    for (action, count) in [("user.delete", 2), ("user.restore", 1), ("user.purge", 1)] {
        assert_eq!(audited(&app, action, "done"), count, "{action}");
    }
}

#[test]
fn addresses_are_confirmed_and_sessions_ended() {
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
    let (user, token) = app.someone("User", &[]);
    cli.run(&format!("users sign-out {}", user.username))
        .expect(0);
    eventually(|| app.get("/api/v1/auth/me").by(&token).send().status == 401);
    assert_eq!(audited(&app, "user.signOut", "done"), 1);
}

#[test]
fn a_second_factor_is_removed_for_whoever_lost_it() {
    let app = TestApp::start();
    app.user("ada", "User", &[]);
    app.execute("UPDATE users SET mfa_enabled = true WHERE username = 'ada'");
    let cli = app.cli();
    cli.run("users mod ada --disable-2fa").expect(0);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE mfa_enabled"),
        0
    );
    cli.run("users mod ada --disable-2fa").expect(0);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_events WHERE action = 'user.mfa.remove'"),
        2
    );
}
