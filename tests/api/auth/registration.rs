//! Registration over HTTP: who may, what comes of it, and what nobody gets by it.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, at_once};

const REGISTER: &str = "/api/v1/auth/register";

fn open() -> TestApp {
    TestApp::with(&[("ROSTERD_REGISTRATION", "open")])
}

fn by_invite() -> TestApp {
    TestApp::with(&[("ROSTERD_REGISTRATION", "invite")])
}

fn register(app: &TestApp, body: &Value) -> Answer {
    app.post(REGISTER).json(body).send()
}

/// Somebody of this name, with nothing but a password.
fn plain(username: &str) -> Value {
    json!({"username": username, "password": PASSWORD})
}

fn with(mut body: Value, member: &str, value: impl Into<Value>) -> Value {
    body[member] = value.into();
    body
}

/// The token of a new invite.
fn invite(app: &TestApp, by: &str, asked: &Value) -> String {
    let made = app
        .post("/api/v1/invites")
        .by(by)
        .json(asked)
        .send()
        .expect(201);
    made.data()["token"].as_str().unwrap().to_owned()
}

fn users(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM users")
}

#[test]
fn it_is_closed_unless_the_settings_say_otherwise() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let token = invite(&app, &admin, &json!({}));
    register(&app, &plain("ada")).expect_problem(403, "registration_closed");
    let invited = with(plain("ada"), "inviteToken", token);
    register(&app, &invited).expect_problem(403, "registration_closed");
    register(&app, &json!({"nonsense": 1})).expect_problem(403, "registration_closed");
    assert_eq!(users(&app), 1);
}

#[test]
fn whoever_registers_gets_a_plain_account_and_is_not_signed_in() {
    let app = open();
    let body = json!({
        "username": " Ada.L ", "password": PASSWORD, "email": "Ada@Example.org", "displayName": "Ada Lovelace"
    });
    let made = register(&app, &body).expect(201);
    let user = made.data();
    for (member, value) in [
        ("username", json!("ada.l")),
        ("displayName", json!("Ada Lovelace")),
        ("email", json!("Ada@Example.org")),
        ("emailConfirmed", json!(false)),
        ("role", json!("User")),
        ("permissions", json!([])),
        ("isActive", json!(true)),
        ("hasPassword", json!(true)),
        ("lastLoginAtUtc", Value::Null),
    ] {
        assert_eq!(user[member], value, "{member}");
    }
    assert_eq!(
        made.header("location"),
        format!("/api/v1/users/{}", user["id"].as_str().unwrap())
    );
    assert_eq!(made.header("set-cookie"), "");
    assert!(!made.text.contains("Token"), "{}", made.text);
    assert_eq!(app.number("SELECT count(*) FROM sessions"), 0);
    let told = "SELECT count(*) FROM audit_events WHERE action = 'user.register' AND outcome = 'done' AND actor_kind = 'anonymous'";
    assert_eq!(app.number(told), 1);

    let session = app.sign_in("ada.l");
    let token = session["accessToken"].as_str().unwrap();
    app.get("/api/v1/users")
        .by(token)
        .send()
        .expect_problem(403, "permission_required");
    // An address that nobody has confirmed signs nobody in.
    let login = json!({"username": "ada@example.org", "password": PASSWORD});
    app.post("/api/v1/auth/login")
        .json(&login)
        .send()
        .expect_problem(401, "auth_invalid_credentials");
}

#[test]
fn one_policy_holds_for_passwords_here_too() {
    let app = open();
    for (password, code) in [
        ("short", "too_short"),
        ("ada.lovelace ada.lovelace", "contains_context"),
        ("passwordpassword", "too_common"),
    ] {
        let body = json!({"username": "ada.lovelace", "password": password});
        register(&app, &body).expect_fault("/password", code);
    }
    register(&app, &json!({"username": "me", "password": PASSWORD}))
        .expect_fault("/username", "too_short");
    register(&app, &json!({"username": "ada"})).expect_fault("/password", "required");
    let body = with(plain("ada"), "email", "a@b@c.org");
    register(&app, &body).expect_fault("/email", "invalid_email");
    assert_eq!(users(&app), 0);
}

#[test]
fn an_invite_gives_its_role_and_permissions_as_often_as_it_says() {
    let app = by_invite();
    let admin = app.super_admin();
    register(&app, &plain("ada")).expect_problem(403, "invite_invalid");
    let asked = json!({"role": "Admin", "permissions": ["webhooks.manage"], "maxUses": 2});
    let token = invite(&app, &admin, &asked);
    for name in ["ada", "bob"] {
        let made = register(&app, &with(plain(name), "inviteToken", token.clone())).expect(201);
        assert_eq!(made.data()["role"], "Admin");
        assert_eq!(made.data()["permissions"], json!(["webhooks.manage"]));
        let token = app.token(name);
        app.get("/api/v1/users").by(&token).send().expect(200);
    }
    let third = with(plain("cy"), "inviteToken", token.clone());
    register(&app, &with(third, "username", "cyd")).expect_problem(403, "invite_exhausted");
    let shown = app
        .get(&format!("/api/v1/invites/{token}"))
        .by(&admin)
        .send()
        .expect(200);
    assert_eq!(shown.data()["uses"], 2);
    let told = "SELECT count(*) FROM audit_events JOIN invites ON after ->> 'invite' = invites.id::text WHERE action = 'user.register'";
    assert_eq!(app.number(told), 2);
    let refused =
        "SELECT count(*) FROM audit_events WHERE action = 'user.register' AND outcome = 'refused'";
    assert_eq!(app.number(refused), 2);
}

#[test]
fn what_ended_admits_nobody_and_says_why() {
    let app = by_invite();
    let admin = app.super_admin();
    let token = invite(&app, &admin, &json!({}));
    app.execute("UPDATE invites SET expires_at = now()");
    register(&app, &with(plain("ada"), "inviteToken", token.clone()))
        .expect_problem(403, "invite_expired");
    app.execute("UPDATE invites SET expires_at = now() + interval '1 hour'");
    app.delete(&format!("/api/v1/invites/{token}"))
        .by(&admin)
        .send()
        .expect(204);
    register(&app, &with(plain("ada"), "inviteToken", token)).expect_problem(403, "invite_invalid");
    assert_eq!(users(&app), 1);
}

#[test]
fn a_failure_of_ones_own_does_not_use_an_invite_up() {
    let app = by_invite();
    let admin = app.super_admin();
    app.user("taken", "User", &[]);
    let token = invite(&app, &admin, &json!({}));
    let body = with(plain("taken"), "inviteToken", token.clone());
    register(&app, &body).expect_problem(409, "user_username_conflict");
    let weak = with(body, "password", "short");
    register(&app, &weak).expect_fault("/password", "too_short");
    assert_eq!(app.number("SELECT uses FROM invites"), 0);
    register(&app, &with(plain("ada"), "inviteToken", token)).expect(201);
}

#[test]
fn an_invite_is_worth_what_its_maker_may_give_now() {
    let app = by_invite();
    app.execute("INSERT INTO roles (name, rank, permissions) VALUES ('Clerk', 5, '{}')");
    let (maker, by) = app.someone("Admin", &[]);
    let asked = json!({"role": "Clerk", "permissions": ["audit.read"], "maxUses": 100});
    let token = invite(&app, &by, &asked);
    let root = app.super_admin();
    let maker_id = &maker.id;
    let set = |change: &str| {
        app.execute(&format!(
            "UPDATE users SET {change} WHERE id = '{maker_id}'"
        ));
    };
    let without = |lost: &str| {
        format!(
            "UPDATE roles SET permissions = array_remove(permissions, '{lost}') WHERE name = 'Admin'"
        )
    };
    let again = |back: &str| {
        format!("UPDATE roles SET permissions = permissions || '{{{back}}}' WHERE name = 'Admin'")
    };
    let mut names = (0..).map(|number| format!("user{number}"));
    let mut attempt = |app: &TestApp| {
        let body = plain(&names.next().unwrap());
        register(app, &with(body, "inviteToken", token.clone()))
    };
    attempt(&app).expect(201);
    for (lost, back) in [
        ("is_active = false", "is_active = true"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("expires_at = now()", "expires_at = NULL"),
        ("role = 'User'", "role = 'Admin'"),
        ("role = 'Clerk'", "role = 'Admin'"),
    ] {
        set(lost);
        attempt(&app).expect_problem(403, "invite_invalid");
        set(back);
        attempt(&app).expect(201);
    }
    for lost in ["invites.manage", "users.managePermissions", "audit.read"] {
        app.execute(&without(lost));
        attempt(&app).expect_problem(403, "invite_invalid");
        app.execute(&again(lost));
        attempt(&app).expect(201);
    }
    // The role may have grown beyond its maker since.
    for grown in ["rank = 100", "permissions = '{webhooks.manage}'"] {
        app.execute(&format!("UPDATE roles SET {grown} WHERE name = 'Clerk'"));
        attempt(&app).expect_problem(403, "invite_invalid");
        app.execute("UPDATE roles SET rank = 5, permissions = '{}' WHERE name = 'Clerk'");
        attempt(&app).expect(201);
    }
    // A permission that is in the catalogue no more can't be given.
    app.execute("DELETE FROM permissions WHERE name = 'audit.read'");
    attempt(&app).expect_problem(403, "invite_invalid");
    app.execute("INSERT INTO permissions (name) VALUES ('audit.read')");
    app.delete("/api/v1/roles/Clerk?moveTo=User")
        .by(&root)
        .send()
        .expect(204);
    attempt(&app).expect_problem(403, "invite_invalid");
}

#[test]
fn an_invite_of_the_operator_rests_on_nobody() {
    let app = by_invite();
    let admin = app.super_admin();
    let token = invite(&app, &admin, &json!({"role": "SuperAdmin"}));
    app.execute("UPDATE invites SET made_by = NULL");
    let made = register(&app, &with(plain("ada"), "inviteToken", token)).expect(201);
    assert_eq!(made.data()["role"], "SuperAdmin");
}

#[test]
fn f12_nothing_that_is_sent_makes_more_of_an_invite_than_it_is() {
    let app = by_invite();
    let admin = app.super_admin();
    let bound = invite(
        &app,
        &admin,
        &json!({"email": "ada@example.org", "maxUses": 5}),
    );
    let invited = with(plain("ada"), "inviteToken", bound.clone());
    for (member, value) in [
        ("role", json!("SuperAdmin")),
        ("permissions", json!(["users.read"])),
        ("isActive", json!(true)),
        ("emailConfirmed", json!(true)),
        ("invite", json!({"role": "Admin"})),
        ("tags", json!(["staff"])),
    ] {
        let body = with(
            with(invited.clone(), "email", "ada@example.org"),
            member,
            value,
        );
        register(&app, &body).expect_fault(&format!("/{member}"), "unknown_field");
    }
    register(&app, &invited).expect_problem(403, "invite_invalid");
    for email in [
        "eve@example.org",
        "ada@example.org.evil.net",
        "ada+x@example.org",
    ] {
        let body = with(invited.clone(), "email", email);
        register(&app, &body).expect_problem(403, "invite_invalid");
    }

    // Tokens of other kinds, the invite's id, and tokens that are nearly right.
    let id = app
        .get(&format!("/api/v1/invites/{bound}"))
        .by(&admin)
        .send()
        .data()["id"]
        .clone();
    let session = {
        app.user("bob", "User", &[]);
        app.sign_in("bob")
    };
    let others = [
        id.as_str().unwrap(),
        session["accessToken"].as_str().unwrap(),
        session["refreshToken"].as_str().unwrap(),
        bound.strip_suffix(|_: char| true).unwrap(),
        &format!("{bound}A"),
        &bound.to_uppercase(),
        &bound.replace("rst_inv_", "rst_rst_"),
        &bound.replace("rst_inv_", ""),
        &format!(" {bound}"),
        "%",
        "",
        "rst_inv_",
    ];
    for token in others {
        let body = with(
            with(invited.clone(), "email", "ada@example.org"),
            "inviteToken",
            token,
        );
        register(&app, &body).expect_problem(403, "invite_invalid");
    }
    // And an invite is nothing but an invite.
    let reset = json!({"token": bound, "newPassword": PASSWORD});
    app.post("/api/v1/auth/reset-password")
        .json(&reset)
        .send()
        .expect_problem(400, "reset_token_invalid");
    let refresh = json!({"refreshToken": bound});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    assert_eq!(users(&app), 2);

    let made = register(&app, &with(invited, "email", "ADA@example.org")).expect(201);
    assert_eq!(made.data()["role"], "User");
    assert_eq!(made.data()["emailConfirmed"], false);
}

#[test]
fn c20_whoever_is_invited_has_no_rights_before_they_accept() {
    let app = by_invite();
    let admin = app.super_admin();
    let asked = json!({"role": "Admin", "email": "ada@example.org"});
    let token = invite(&app, &admin, &asked);
    for path in ["/api/v1/auth/me", "/api/v1/users", "/api/v1/invites"] {
        app.get(path)
            .by(&token)
            .send()
            .expect_problem(401, "auth_token_invalid");
    }
    for name in ["ada", "ada@example.org", token.as_str()] {
        let login = json!({"username": name, "password": token});
        app.post("/api/v1/auth/login")
            .json(&login)
            .send()
            .expect_problem(401, "auth_invalid_credentials");
    }
    assert_eq!(users(&app), 1);
}

#[test]
fn f10_an_invite_for_one_admits_one_of_64_through_two_replicas() {
    let app = by_invite();
    let other = app.replica();
    let admin = app.super_admin();
    let token = invite(&app, &admin, &json!({"permissions": ["audit.read"]}));
    let answers = at_once(64, |racer| {
        let app = if racer % 2 == 0 { &app } else { &other };
        register(
            app,
            &with(plain(&format!("user{racer}")), "inviteToken", token.clone()),
        )
    });
    let admitted = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(admitted, 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(403, "invite_exhausted");
    }
    assert_eq!(users(&app), 2);
    assert_eq!(app.number("SELECT uses FROM invites"), 1);
}

#[test]
fn f10_no_invite_is_used_more_often_than_it_may_be_in_any_of_many_races() {
    let app = by_invite();
    let other = app.replica();
    let admin = app.super_admin();
    for round in 0..25 {
        let token = invite(&app, &admin, &json!({"maxUses": 2}));
        let statuses = at_once(5, |racer| {
            let app = if racer % 2 == 0 { &app } else { &other };
            let body = plain(&format!("user{round}-{racer}"));
            register(app, &with(body, "inviteToken", token.clone())).status
        });
        let admitted = statuses.iter().filter(|status| **status == 201).count();
        assert_eq!(admitted, 2, "{statuses:?}");
        assert_eq!(users(&app), 1 + 2 * (round + 1));
    }
}

#[test]
fn an_invite_that_is_revoked_while_it_is_used_is_used_before_or_not_at_all() {
    let app = by_invite();
    let other = app.replica();
    let root = app.super_admin();
    for round in 0..25 {
        let (maker, by) = app.someone("Admin", &[]);
        let token = invite(&app, &by, &json!({"maxUses": 9}));
        let name = format!("user{round}");
        let end = || {
            if round % 2 == 0 {
                let path = format!("/api/v1/invites/{token}");
                app.delete(&path).by(&root).send().expect(204)
            } else {
                let path = format!("/api/v1/users/{}/status", maker.id);
                let off = json!({"isActive": false});
                app.post(&path).by(&root).json(&off).send().expect(200)
            }
        };
        let body = with(plain(&name), "inviteToken", token.clone());
        let statuses = at_once(2, |racer| match racer {
            0 => end().status,
            _ => register(&other, &body).status,
        });
        let made = app.number(&format!(
            "SELECT count(*) FROM users WHERE username = '{name}'"
        ));
        assert_eq!(statuses[1], if made == 1 { 201 } else { 403 });
        register(&other, &with(body, "username", "later")).expect_problem(403, "invite_invalid");
    }
}

#[test]
fn d24_of_100_who_want_one_name_and_address_one_gets_it() {
    let app = open();
    let other = app.replica();
    let spelt = |text: &str, racer: usize| {
        if racer.is_multiple_of(3) {
            text.to_uppercase()
        } else {
            text.to_owned()
        }
    };
    let statuses = at_once(100, |racer| {
        let app = if racer % 2 == 0 { &app } else { &other };
        let body = with(
            plain(&spelt("ada", racer)),
            "email",
            spelt("ada@example.org", racer),
        );
        register(app, &body).status
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        99,
        "{statuses:?}"
    );
    assert_eq!(users(&app), 1);

    // One address under many names: all are told the same, one has it.
    let statuses = at_once(40, |racer| {
        let app = if racer % 2 == 0 { &app } else { &other };
        let body = with(
            plain(&format!("user{racer}")),
            "email",
            spelt("bob@example.org", racer),
        );
        register(app, &body).status
    });
    assert_eq!(statuses, [201; 40]);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE lower(email) = 'bob@example.org'"),
        1
    );
    assert_eq!(users(&app), 2);
}

#[test]
fn d02_a_taken_address_is_answered_as_a_free_one() {
    let app = open();
    let admin = app.super_admin();
    app.user("owner", "Admin", &[]);
    app.execute("UPDATE users SET email = 'Owner@example.org', email_confirmed = true WHERE username = 'owner'");
    let fresh = |app: &TestApp| invite(app, &admin, &json!({"role": "Admin"}));
    let body = |name: &str, email: &str| with(plain(name), "email", email);

    let free = register(&app, &body("ada", "ada@example.org")).expect(201);
    let before = users(&app);
    let taken = register(&app, &body("bob", "owner@EXAMPLE.org")).expect(201);
    assert_eq!(users(&app), before);
    let shape = |answer: &Answer, name: &str, email: &str| {
        let mut user = answer.data().clone();
        assert_eq!(user["username"], name);
        assert_eq!(user["email"], email);
        for member in ["id", "username", "email", "createdAtUtc", "updatedAtUtc"] {
            assert!(user[member].is_string());
            user[member] = Value::Null;
        }
        user
    };
    assert_eq!(
        shape(&taken, "bob", "owner@EXAMPLE.org"),
        shape(&free, "ada", "ada@example.org")
    );
    let names = |answer: &Answer| {
        let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(names(&taken), names(&free));

    // A name that is taken is told first, so that it does not tell of the address.
    register(&app, &body("ada", "owner@example.org")).expect_problem(409, "user_username_conflict");
    register(&app, &body("ada", "new@example.org")).expect_problem(409, "user_username_conflict");
    // Nor does an invite tell: it is used up either way.
    for email in ["owner@example.org", "cyd@example.org"] {
        let invite = fresh(&app);
        register(
            &app,
            &with(body("cyd", email), "inviteToken", invite.clone()),
        )
        .expect(201);
        let again = with(body("dan", "dan@example.org"), "inviteToken", invite);
        register(&app, &again).expect_problem(403, "invite_exhausted");
    }
    let told = "SELECT count(*) FROM audit_events JOIN users ON subject_id = users.id::text \
         WHERE action = 'user.register' AND outcome = 'refused' AND code = 'user_email_conflict' AND username = 'owner'";
    assert_eq!(app.number(told), 2);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE username = 'owner' AND version = 1"),
        1
    );
}

#[test]
fn f14_whoever_is_signed_in_stays_who_they_are() {
    let app = by_invite();
    let admin = app.super_admin();
    let (user, token) = app.someone("User", &[]);
    let before = app.get("/api/v1/auth/me").by(&token).send().expect(200);
    let asked = json!({"role": "Admin", "permissions": ["webhooks.manage"], "maxUses": 3});
    let invite = invite(&app, &admin, &asked);
    let sessions = app.number("SELECT count(*) FROM sessions");

    // A new account beside the one that is signed in.
    let body = with(plain("second"), "inviteToken", invite.clone());
    let made = app.post(REGISTER).by(&token).json(&body).send().expect(201);
    assert_ne!(made.data()["id"], json!(user.id));
    // An account that exists is not given what the invite gives.
    let own = with(plain(&user.username), "inviteToken", invite.clone());
    app.post(REGISTER)
        .by(&token)
        .json(&own)
        .send()
        .expect_problem(409, "user_username_conflict");
    // A token that is no good any more changes nothing about it.
    let third = with(plain("third"), "inviteToken", invite);
    app.post(REGISTER)
        .by("nonsense")
        .json(&third)
        .send()
        .expect(201);

    let after = app.get("/api/v1/auth/me").by(&token).send().expect(200);
    assert_eq!(after.body, before.body);
    assert_eq!(app.number("SELECT count(*) FROM sessions"), sessions);
}

#[test]
fn f16_guessed_tokens_all_get_one_answer() {
    let app = by_invite();
    let answers: Vec<Answer> = (0..20)
        .map(|guess| {
            let token = format!("rst_inv_{guess:0>43}");
            register(&app, &with(plain("ada"), "inviteToken", token))
                .expect_problem(403, "invite_invalid")
        })
        .collect();
    let said = |answer: &Answer| (answer.body["title"].clone(), answer.body["detail"].clone());
    assert!(
        answers
            .windows(2)
            .all(|pair| said(&pair[0]) == said(&pair[1]))
    );
    // No password is hashed for one: what is refused because of it is refused before the weak password is.
    let weak = json!({"username": "ada", "password": "short", "inviteToken": "rst_inv_x"});
    register(&app, &weak).expect_problem(403, "invite_invalid");
}

#[test]
fn an_address_is_confirmed_by_mail_and_whoever_has_it_already_is_told() {
    let (app, server) = TestApp::with_mail(&[("ROSTERD_REGISTRATION", "open")]);
    let with_address = |name: &str, email: &str| with(plain(name), "email", email);
    register(&app, &with_address("ada", "ada@example.org")).expect(201);
    let letter = server.letter();
    assert_eq!(letter.to, ["ada@example.org"]);
    app.post("/api/v1/auth/confirm-email")
        .json(&json!({"token": letter.token()}))
        .send()
        .expect(204);

    register(&app, &with_address("eve", "ADA@example.org")).expect(201);
    let told = server.wait_for(2).remove(1);
    assert_eq!(told.to, ["ada@example.org"]);
    assert!(told.text().contains("the account ada"), "{}", told.text());
    assert!(!told.data.contains("eve"), "{}", told.data);
    assert_eq!(users(&app), 1);
}
