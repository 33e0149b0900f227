//! Setting a password with a one-time link.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, User};

const NEW: &str = "nine purple umbrellas in june";

fn path(user: &User) -> String {
    format!("/api/v1/users/{}/password-reset-link", user.id)
}

/// Makes a link: the `data` of the answer.
fn link(app: &TestApp, by: &str, user: &User) -> Value {
    let made = app.post(&path(user)).by(by).send().expect(201);
    made.data().clone()
}

fn token(link: &Value) -> &str {
    link["token"].as_str().unwrap()
}

fn redeem(app: &TestApp, token: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/reset-password")
        .json(&json!({"token": token, "newPassword": password}))
        .send()
}

fn login(app: &TestApp, user: &User, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .json(&json!({"username": user.username, "password": password}))
        .send()
}

#[track_caller]
fn assert_dead(app: &TestApp, token: &str) {
    redeem(app, token, NEW).expect_problem(400, "reset_token_invalid");
}

#[test]
fn a_link_sets_the_password_once_and_signs_nobody_in() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let made = app.post(&path(&ada)).by(&admin).send().expect(201);
    assert_eq!(made.header("location"), path(&ada));
    assert_eq!(made.header("cache-control"), "no-store");
    let link = made.data();
    assert!(token(link).starts_with("rst_rst_") && token(link).len() == 51);
    assert_eq!(
        link["url"],
        format!(
            "https://id.example.org/reset-password?token={}",
            token(link)
        )
    );
    let shown = app.get(&path(&ada)).by(&admin).send().expect(200);
    assert_eq!(shown.data()["expiresAtUtc"], link["expiresAtUtc"]);
    assert!(!shown.text.contains("rst_rst_"));

    let set = redeem(&app, token(link), NEW).expect(204);
    assert!(set.text.is_empty() && set.header("set-cookie").is_empty());
    login(&app, &ada, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    login(&app, &ada, NEW).expect(200);
    assert_dead(&app, token(link));
    app.get(&path(&ada))
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");
}

#[test]
fn a_link_lives_for_a_day_or_as_long_as_was_asked_from_a_minute_to_a_week() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let lifetime = "SELECT extract(epoch FROM expires_at - created_at) FROM reset_links";
    link(&app, &admin, &ada);
    assert_eq!(app.number(lifetime), 86_400);
    let ask = |seconds: Value| {
        app.post(&path(&ada))
            .by(&admin)
            .json(&json!({"expiresInSeconds": seconds}))
            .send()
    };
    for seconds in [60, 604_800] {
        ask(json!(seconds)).expect(201);
        assert_eq!(app.number(lifetime), seconds);
    }
    for seconds in [json!(59), json!(604_801), json!(-60), json!(0)] {
        ask(seconds).expect_fault("/expiresInSeconds", "out_of_range");
    }
    for seconds in [json!("60"), json!(60.5), json!([60])] {
        ask(seconds).expect_fault("/expiresInSeconds", "invalid_type");
    }
}

#[test]
fn a_new_link_ends_the_one_before() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let (old, new) = (link(&app, &admin, &ada), link(&app, &admin, &ada));
    assert_dead(&app, token(&old));
    redeem(&app, token(&new), NEW).expect(204);
}

#[test]
fn a_link_can_be_taken_back() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let link = link(&app, &admin, &ada);
    app.delete(&path(&ada)).by(&admin).send().expect(204);
    assert_dead(&app, token(&link));
    app.delete(&path(&ada)).by(&admin).send().expect(204);
}

#[test]
fn a_retry_with_the_same_key_is_answered_with_the_same_link() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let ((ada, _), (bob, _)) = (app.someone("User", &[]), app.someone("User", &[]));
    let ask = |user: &User| {
        app.post(&path(user))
            .by(&admin)
            .header("Idempotency-Key", "one")
            .send()
    };
    let (first, again) = (ask(&ada).expect(201), ask(&ada).expect(201));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.body, again.body);
    ask(&bob).expect_problem(422, "idempotency_key_reused");
}

/// Something done to an account that ends its link.
type End<'a> = &'a dyn Fn(&User) -> Answer;

#[test]
fn a_link_ends_with_what_it_was_made_for() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let user = |rest: &str, user: &User| format!("/api/v1/users/{}{rest}", user.id);
    let ends: [(&str, End<'_>); 6] = [
        ("another password", &|ada| {
            app.post(&user("/reset-password", ada))
                .by(&admin)
                .json(&json!({"newPassword": "four silver trains at dawn"}))
                .send()
        }),
        ("a removed password", &|ada| {
            app.delete(&user("/password", ada)).by(&admin).send()
        }),
        ("another address", &|ada| {
            app.patch(&user("", ada))
                .by(&admin)
                .json(&json!({"email": "new@example.org"}))
                .send()
        }),
        ("switched off and on", &|ada| {
            let status = user("/status", ada);
            let off = app
                .post(&status)
                .by(&admin)
                .json(&json!({"isActive": false}));
            off.send().expect(200);
            let on = app
                .post(&status)
                .by(&admin)
                .json(&json!({"isActive": true}));
            on.send()
        }),
        ("expired and given more time", &|ada| {
            let account = user("", ada);
            let end = json!({"expiresAtUtc": "2020-01-01T00:00:00Z"});
            app.patch(&account).by(&admin).json(&end).send().expect(200);
            let more = json!({"expiresAtUtc": null});
            app.patch(&account).by(&admin).json(&more).send()
        }),
        ("deleted and restored", &|ada| {
            app.delete(&user("", ada)).by(&admin).send().expect(204);
            app.post(&user("/restore", ada)).by(&admin).send()
        }),
    ];
    for (what, end) in ends {
        let (ada, _) = app.someone("User", &[]);
        let link = link(&app, &admin, &ada);
        let status = end(&ada).status;
        assert!((200..300).contains(&status), "{what}: {status}");
        let answer = redeem(&app, token(&link), NEW);
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(answer.body["code"], "reset_token_invalid", "{what}");
        app.execute("UPDATE users SET email = NULL");
    }
}

#[test]
fn a_link_of_an_account_that_may_not_sign_in_is_not_good() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for wrong in ["is_active = false", "expires_at = now()"] {
        let (ada, _) = app.someone("User", &[]);
        app.execute(&format!("UPDATE users SET {wrong} WHERE id = '{}'", ada.id));
        let link = link(&app, &admin, &ada);
        assert_dead(&app, token(&link));
        app.execute("UPDATE users SET is_active = true, expires_at = NULL");
        redeem(&app, token(&link), NEW).expect(204);
    }
    let (ada, _) = app.someone("User", &[]);
    app.execute(&format!(
        "UPDATE users SET deleted_at = now() WHERE id = '{}'",
        ada.id
    ));
    app.post(&path(&ada))
        .by(&admin)
        .send()
        .expect_problem(409, "user_deleted");
}

#[test]
fn a_weak_password_does_not_use_the_link_up() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let link = link(&app, &admin, &ada);
    redeem(&app, token(&link), "too short").expect_fault("/newPassword", "too_short");
    redeem(&app, token(&link), &ada.username.repeat(4))
        .expect_fault("/newPassword", "contains_context");
    redeem(&app, token(&link), NEW).expect(204);
}

#[test]
fn a_link_gives_an_account_without_a_password_one_and_settles_a_change_that_was_due() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let account = format!("/api/v1/users/{}", ada.id);
    let due = json!({"mustChangePassword": true});
    app.patch(&account).by(&admin).json(&due).send().expect(200);
    app.delete(&format!("{account}/password"))
        .by(&admin)
        .send()
        .expect(204);
    login(&app, &ada, PASSWORD).expect_problem(401, "auth_invalid_credentials");
    let link = link(&app, &admin, &ada);
    redeem(&app, token(&link), NEW).expect(204);
    let signed_in = login(&app, &ada, NEW).expect(200);
    assert_eq!(signed_in.data()["user"]["hasPassword"], true);
    assert_eq!(signed_in.data()["user"]["mustChangePassword"], false);
}

#[test]
fn a_purge_leaves_no_link_and_no_kept_answer_with_one() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let made = app
        .post(&path(&ada))
        .by(&admin)
        .header("Idempotency-Key", "one");
    made.send().expect(201);
    app.delete(&format!("/api/v1/users/{}?purge=true", ada.id))
        .by(&admin)
        .send()
        .expect(204);
    assert_eq!(app.number("SELECT count(*) FROM reset_links"), 0);
    assert_eq!(app.number("SELECT count(*) FROM kept_replies"), 0);
}

#[test]
fn f01_a_link_is_good_once_one_after_the_other_and_when_32_race() {
    let app = TestApp::with(&[("ROSTERD_HASH_THREADS", "16")]);
    let other = app.replica();
    let admin = app.super_admin();
    for _ in 0..5 {
        let (ada, _) = app.someone("User", &[]);
        let link = link(&app, &admin, &ada);
        let replicas = [&app, &other];
        let answers: Vec<(String, Answer)> = thread::scope(|scope| {
            let racers: Vec<_> = (0..32)
                .map(|i| {
                    let (app, token) = (replicas[i % 2], token(&link));
                    scope.spawn(move || {
                        let password = format!("racer {i} wants this password");
                        let answer = redeem(app, token, &password);
                        (password, answer)
                    })
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|(_, answer)| answer.status == 204);
        assert_eq!(won.len(), 1);
        for (_, answer) in lost {
            answer.expect_problem(400, "reset_token_invalid");
        }
        login(&app, &ada, &won[0].0).expect(200);
        assert_dead(&app, token(&link));
        let version = format!("SELECT password_version FROM users WHERE id = '{}'", ada.id);
        assert_eq!(app.number(&version), 1);
    }
}

#[test]
fn f02_nothing_but_the_token_completes_a_reset() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    link(&app, &admin, &ada);
    let session = app.sign_in(&ada.username);
    let send = |body: &Value| app.post("/api/v1/auth/reset-password").json(body).send();
    for token in [
        "",
        "rst_rst_",
        "null",
        ada.id.as_str(),
        ada.username.as_str(),
    ] {
        assert_dead(&app, token);
    }
    for kind in ["accessToken", "refreshToken"] {
        assert_dead(&app, session[kind].as_str().unwrap());
    }
    for wrong in [
        json!(null),
        json!([]),
        json!(["x"]),
        json!({}),
        json!(1),
        json!(true),
    ] {
        send(&json!({"token": wrong, "newPassword": NEW})).expect_fault("/token", "invalid_type");
    }
    send(&json!({"newPassword": NEW})).expect_fault("/token", "required");
    send(&json!({"token": "x"})).expect_fault("/newPassword", "required");
    send(&json!({"token": "x", "newPassword": NEW, "userId": ada.id}))
        .expect_fault("/userId", "unknown_field");
    login(&app, &ada, PASSWORD).expect(200);
}

#[test]
fn f04_a_token_is_good_only_as_it_was_given_and_until_its_last_moment_by_the_database_clock() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let link = link(&app, &admin, &ada);
    let good = token(&link);
    let swap = |c: char| {
        if c.is_lowercase() {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        }
    };
    for wrong in [
        good.split_at(50).0.to_owned(),
        good.split_at(1).1.to_owned(),
        good.split_at(8).1.to_owned(),
        format!("{good}="),
        format!("{good}A"),
        format!(" {good}"),
        good.chars().map(swap).collect(),
        "rst_rst_%".to_owned(),
        format!("rst_rst_{}", "_".repeat(43)),
        format!("{}%", good.split_at(20).0),
        "*".to_owned(),
    ] {
        assert_dead(&app, &wrong);
    }
    let digest = format!(
        "SELECT count(*) FROM reset_links WHERE digest = sha256(convert_to('{good}', 'UTF8'))"
    );
    assert_eq!(app.number(&digest), 1);

    app.execute("UPDATE reset_links SET expires_at = clock_timestamp()");
    assert_dead(&app, good);
    app.execute("UPDATE reset_links SET expires_at = clock_timestamp() + interval '1 minute'");
    redeem(&app, good, NEW).expect(204);
}

#[test]
fn f05_the_link_leads_where_the_settings_say_whatever_the_request_says_of_the_host() {
    let page = "https://app.example.org/reset#{token}";
    let app = TestApp::with(&[("ROSTERD_RESET_URL", page)]);
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let made = app
        .post(&path(&ada))
        .by(&admin)
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "http")
        .header("X-Original-URL", "https://evil.example/")
        .header("Forwarded", "host=evil.example;proto=http")
        .send()
        .expect(201);
    let expected = format!("https://app.example.org/reset#{}", token(made.data()));
    assert_eq!(made.data()["url"], expected);
    assert!(!made.text.contains("evil") && !made.header("location").contains("evil"));
}

#[test]
fn f06_get_and_head_do_not_use_a_link_up() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let link = link(&app, &admin, &ada);
    let good = token(&link);
    for method in ["GET", "HEAD"] {
        for path in [
            format!("/api/v1/auth/reset-password?token={good}"),
            format!("/reset-password?token={good}"),
        ] {
            let status = app.call(method, &path).send().status;
            assert!((400..500).contains(&status), "{method} {path}: {status}");
        }
    }
    redeem(&app, good, NEW).expect(204);
}

#[test]
fn f08_nobody_gets_a_link_to_an_account_that_is_not_below_them() {
    let app = TestApp::start();
    let (chief, _) = app.someone("SuperAdmin", &[]);
    let (admin, token_of_admin) = app.someone("Admin", &[]);
    let (peer, _) = app.someone("Admin", &[]);
    let (ada, powerless) = app.someone("User", &[]);
    // Ranks below, and has a permission that the Admin has not.
    let (keeper, _) = app.someone("User", &["roles.manage"]);
    for above in [&chief, &peer, &keeper] {
        for method in ["POST", "DELETE"] {
            app.call(method, &path(above))
                .by(&token_of_admin)
                .send()
                .expect_problem(403, "user_manage_forbidden");
        }
        let audit = format!(
            "SELECT count(*) FROM audit_events WHERE action LIKE 'user.resetLink.%' AND outcome = 'refused' \
             AND code = 'user_manage_forbidden' AND actor_id = '{}' AND subject_id = '{}'",
            admin.id, above.id
        );
        assert_eq!(app.number(&audit), 2);
    }
    for method in ["POST", "GET", "DELETE"] {
        let path = path(&ada);
        let call = app.call(method, &path).by(&powerless).send();
        call.expect_problem(403, "permission_required");
        app.call(method, &path)
            .send()
            .expect_problem(401, "auth_required");
    }
    assert_eq!(app.number("SELECT count(*) FROM reset_links"), 0);

    let link = link(&app, &token_of_admin, &ada);
    redeem(&app, token(&link), NEW).expect(204);
    assert_dead(&app, token(&link));
    let audit = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.create' AND outcome = 'done' \
         AND actor_id = '{}' AND subject_id = '{}'",
        admin.id, ada.id
    );
    assert_eq!(app.number(&audit), 1);
    let audit = format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.resetLink.use' AND outcome = 'done' \
         AND actor_kind = 'anonymous' AND subject_id = '{}'",
        ada.id
    );
    assert_eq!(app.number(&audit), 1);
    let told = app.text("SELECT string_agg(e::text || p::text, ' ') FROM audit_events e JOIN audit_people p ON p.event_id = e.id");
    assert!(!told.contains(token(&link)) && !told.contains(NEW));
}

#[test]
fn a_stale_copy_of_the_account_makes_no_link() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, _) = app.someone("User", &[]);
    let account = format!("/api/v1/users/{}", ada.id);
    let tag = app
        .get(&account)
        .by(&admin)
        .send()
        .header("etag")
        .to_owned();
    let change = json!({"displayName": "Ada"});
    app.patch(&account)
        .by(&admin)
        .json(&change)
        .send()
        .expect(200);
    for method in ["POST", "DELETE"] {
        let call = app
            .call(method, &path(&ada))
            .by(&admin)
            .header("If-Match", &tag);
        call.send().expect_problem(412, "precondition_failed");
    }
}

#[test]
fn a03_a_reset_ends_every_session_in_the_same_transaction() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let (ada, first) = app.someone("User", &[]);
    let second = app.sign_in(&ada.username);
    let link = link(&app, &admin, &ada);
    // The end of the sessions fails: then neither is the password another.
    app.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION refuse()",
    );
    redeem(&app, token(&link), NEW).expect_problem(500, "internal_error");
    login(&app, &ada, PASSWORD).expect(200);
    app.execute("DROP TRIGGER refuse ON sessions");

    redeem(&app, token(&link), NEW).expect(204);
    for access in [first.as_str(), second["accessToken"].as_str().unwrap()] {
        let me = app.get("/api/v1/auth/me").by(access).send();
        me.expect_problem(401, "auth_token_invalid");
    }
    let refresh = json!({"refreshToken": second["refreshToken"]});
    app.post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect_problem(401, "auth_refresh_token_invalid");
    let alive = format!(
        "SELECT count(*) FROM sessions WHERE user_id = '{}' AND ended_at IS NULL",
        ada.id
    );
    assert_eq!(app.number(&alive), 0);
}
