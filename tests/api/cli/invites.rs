//! `rosterd invites`.

use serde_json::json;

use super::count_audit_rows;
use crate::support::{PASSWORD, TestApp};

#[test]
fn invite_can_be_created_used_listed_and_revoked() {
    let app = TestApp::start_with(&[("ROSTERD_REGISTRATION", "invite")]);
    let cli = app.cli();
    let created = cli
        .run("invites add --expires-at 2099-01-31 --max-use 2 --permission users.read --json")
        .expect(0)
        .json();
    assert_eq!(
        (&created["maxUses"], &created["uses"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(created["expiresAtUtc"], "2099-02-01T00:00:00Z");
    let token = created["token"].as_str().unwrap();
    let register = |name: &str| {
        let body = json!({"username": name, "password": PASSWORD, "inviteToken": token});
        app.post("/api/v1/auth/register").json(&body).send()
    };
    let user = register("ada").expect(201);
    assert_eq!(user.data()["permissions"], json!(["users.read"]));

    let listed = cli.run("invites ls --json").expect(0).json();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["uses"]),
        (&created["id"], &json!(1))
    );
    assert_eq!(listed[0].get("token"), None);
    assert!(!cli.run("invites ls --csv").out.contains(token));

    cli.run(&format!("invites revoke {token}")).expect(0);
    register("eve").expect_problem(403, "invite_invalid");
    assert_eq!(cli.run("invites ls --json").json()[0]["state"], "revoked");
    let second = cli.run("invites add --json").expect(0).json();
    cli.run(&format!(
        "invites revoke {}",
        second["id"].as_str().unwrap()
    ))
    .expect(0);
    assert_eq!(
        cli.run("invites ls -n 1 --json")
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(count_audit_rows(&app, "invite.create", "done"), 2);
    assert_eq!(count_audit_rows(&app, "invite.revoke", "done"), 2);
}

#[test]
fn invite_errors_are_those_of_the_api() {
    let app = TestApp::start();
    let cli = app.cli();
    cli.run("invites add --max-use 0")
        .expect_error(1, "maxUses: must be from 1 to 100000");
    cli.run("invites add --expires-at 2001-01-01")
        .expect_error(1, "expiresAtUtc: must be in the future");
    cli.run("invites add --expires-at soon").expect(2);
    // A mistyped token is not printed.
    let wrong = cli.run("invites revoke rst_inv_mistyped").expect(1);
    assert!(!wrong.err.contains("mistyped"), "{}", wrong.err);
    let created = cli.run("invites add").expect(0);
    assert!(
        created
            .lines()
            .iter()
            .any(|line| line.starts_with("token\trst_inv_"))
    );
}
