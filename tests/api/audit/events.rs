//! `GET /api/v1/audit/events`.

use serde_json::{Value, json};

use crate::support::{TestApp, operator};

use super::{EVENTS, create_reader, list_entries, log_in};

/// The only event of this action.
#[track_caller]
fn only_event(app: &TestApp, token: &str, action: &str) -> Value {
    let entries = list_entries(app, token, EVENTS, &format!("action={action}"));
    assert_eq!(entries.len(), 1, "{entries:#?}");
    entries[0].clone()
}

#[test]
fn event_has_actor_subject_source_and_changes() {
    let app = TestApp::start();
    let (admin, token) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("ada", "User", &[]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    app.patch(&user.path(""))
        .bearer(&token)
        .header("User-Agent", "curl/8.0")
        .header("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&json!({"displayName": "Ada Lovelace", "mustChangePassword": true}))
        .send()
        .expect(200);
    let event = only_event(&app, &token, "user.update");
    assert_eq!(
        (&event["outcome"], &event["code"]),
        (&json!("done"), &Value::Null)
    );
    assert_eq!(event["actor"]["kind"], "user");
    assert_eq!(event["actor"]["id"], admin.id);
    assert_eq!(event["actor"]["name"], admin.username);
    assert!(event["actor"]["sessionId"].is_string());
    assert_eq!(event["subject"]["kind"], "user");
    assert_eq!(event["subject"]["id"], user.id);
    assert_eq!(event["subject"]["username"], "ada");
    assert_eq!(
        (&event["ip"], &event["userAgent"]),
        (&json!("127.0.0.1"), &json!("curl/8.0"))
    );
    assert_eq!(
        event["before"],
        json!({"displayName": null, "mustChangePassword": false})
    );
    assert_eq!(
        event["after"],
        json!({"displayName": "Ada Lovelace", "mustChangePassword": true})
    );
    assert_eq!(event["traceId"], trace);
    assert!(event["atUtc"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn refused_operation_is_recorded_with_its_code() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("Admin", &[]);
    let (super_admin, _) = app.create_signed_in_user("SuperAdmin", &[]);
    app.delete(&super_admin.path(""))
        .bearer(&token)
        .send()
        .expect(403);
    let event = only_event(&app, &token, "user.delete");
    assert_eq!(event["outcome"], "refused");
    assert_eq!(event["code"], "user_super_admin_forbidden");
    assert_eq!(event["subject"]["id"], super_admin.id);
    let refused = list_entries(&app, &token, EVENTS, "outcome=refused");
    assert_eq!(refused, vec![event]);
    let query = "outcome=done&action=session.*";
    assert_eq!(list_entries(&app, &token, EVENTS, query).len(), 2);
}

#[test]
fn cli_event_carries_the_operating_system_user() {
    let app = TestApp::start();
    let (_, token) = create_reader(&app);
    app.create_user("ada", "User", &[]);
    let mut settings = app.binary_settings();
    // These can be forged; only SUDO_USER is recorded, beside the user of the process.
    for name in ["LOGNAME", "USER", "SUDO_USER"] {
        settings.push((name.to_owned(), format!("forged-{name}")));
    }
    let input = "nine purple umbrellas in june\n";
    let output = crate::support::binary::run_rosterd(
        &["passwd", "ada", "--password-stdin"],
        &settings,
        input,
    );
    assert!(output.status.success());
    let event = only_event(&app, &token, "user.password.reset");
    assert_eq!(event["actor"]["kind"], "cli");
    assert_eq!(event["actor"]["name"], operator());
    assert_eq!(event["actor"]["sudoUser"], "forged-SUDO_USER");
    let uid = "SELECT data->>'uid' FROM audit_personal_data WHERE data ? 'sudoUser' LIMIT 1";
    let is_own_uid = app.query_text(uid) == rustix::process::getuid().as_raw().to_string();
    assert!(is_own_uid);
    assert_eq!(
        (&event["actor"]["id"], &event["ip"]),
        (&Value::Null, &Value::Null)
    );
    let name = operator();
    for actor in ["cli", &name, &format!("cli:{name}")] {
        let entries = list_entries(&app, &token, EVENTS, &format!("actor={actor}"));
        assert_eq!(entries, vec![event.clone()], "{actor}");
    }
}

#[test]
fn events_of_a_token_are_found_by_token_and_by_owner() {
    let app = TestApp::start();
    let (owner, session) = app.create_signed_in_user("Admin", &[]);
    let body = json!({"name": "export", "permissions": ["users.update"]});
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(&session)
        .json(&body)
        .send()
        .expect(201);
    let token = created.data()["token"].as_str().unwrap();
    let user = app.create_user("ada", "User", &[]);
    app.put(&user.path("/tags/staff"))
        .bearer(token)
        .send()
        .expect(200);
    let event = only_event(&app, &session, "user.tag");
    assert_eq!(event["actor"]["kind"], "token");
    assert_eq!(event["actor"]["id"], created.data()["id"]);
    assert_eq!(event["actor"]["ownerId"], owner.id);
    assert_eq!(event["actor"]["name"], owner.username);
    let id = created.data()["id"].as_str().unwrap();
    assert_eq!(
        list_entries(&app, &session, EVENTS, &format!("actor={id}")),
        vec![event.clone()]
    );
    let by_owner = list_entries(
        &app,
        &session,
        EVENTS,
        &format!("actor={}&action=user.*", owner.id),
    );
    assert_eq!(by_owner, vec![event]);
    let of_ada = list_entries(&app, &session, EVENTS, &format!("user={}", user.id));
    assert_eq!(of_ada.len(), 1);
    let created = list_entries(
        &app,
        &session,
        EVENTS,
        &format!("user={}&action=token.create", owner.username),
    );
    assert_eq!(created[0]["after"]["permissions"], json!(["users.update"]));
}

#[test]
fn each_filter_selects_the_matching_events() {
    let app = TestApp::start_with(&[("ROSTERD_TRUSTED_PROXIES", "127.0.0.1")]);
    let (_, token) = app.create_signed_in_user("Admin", &[]);
    let ada = app.create_user("ada", "User", &[]);
    let tag = |tag: &str, source: &str| {
        let call = app.put(&ada.path(&format!("/tags/{tag}"))).bearer(&token);
        call.header("X-Forwarded-For", source).send().expect(200);
    };
    tag("staff", "203.0.113.1");
    tag("night", "2001:db8::1");
    let count = |query: &str| list_entries(&app, &token, EVENTS, query).len();
    assert_eq!(count("ip=203.0.113.1"), 1);
    assert_eq!(count("ip=::ffff:203.0.113.1"), 1);
    assert_eq!(count("ip=2001:db8:0:0::1&user=ada"), 1);
    assert_eq!(count("ip=203.0.113.2"), 0);
    assert_eq!(count("user=ada"), 2);
    assert_eq!(count(&format!("user={}&actor=user", ada.id)), 2);
    assert_eq!(count("user=ada&actor=system"), 0);
    assert_eq!(count("action=user.tag"), 2);
    assert_eq!(count("action=user.*"), 2);
    assert_eq!(count("action=user_*"), 0);
    assert_eq!(count("action=user"), 0);
    assert_eq!(
        count("since=2020-01-01T00:00:00Z&until=2120-01-01T00:00:00Z&user=ada"),
        2
    );
    assert_eq!(count("until=2020-01-01T00:00:00Z"), 0);
    let newest = &list_entries(&app, &token, EVENTS, "user=ada")[0];
    assert_eq!(newest["after"]["tags"], json!(["night", "staff"]));
    let time = newest["atUtc"].as_str().unwrap();
    assert_eq!(
        count(&format!("user=ada&since={time}")),
        1,
        "`since` is inclusive"
    );
    assert_eq!(
        count(&format!("user=ada&until={time}")),
        1,
        "`until` is exclusive"
    );
    for (query, pointer, code) in [
        ("ip=somewhere", "?ip", "invalid_value"),
        ("outcome=success", "?outcome", "invalid_value"),
        ("since=yesterday", "?since", "invalid_format"),
        ("limit=201", "?limit", "out_of_range"),
        ("cursor=x", "?cursor", "invalid_cursor"),
        ("reason=x", "?reason", "unknown_parameter"),
    ] {
        let response = app.get(&format!("{EVENTS}?{query}")).bearer(&token).send();
        response.expect_field_error(pointer, code);
    }
}

/// The query plan differs for rare and frequent values.
#[test]
fn filters_work_for_rare_and_frequent_values() {
    let app = TestApp::start();
    let (_, token) = create_reader(&app);
    app.execute(
        "WITH event AS (INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
           SELECT gen_random_uuid(), now(), 'cli', 'test.often', 'done' FROM generate_series(1, 1200) RETURNING id) \
         INSERT INTO audit_personal_data (event_id, participant, data) \
         SELECT id, 'actor', '{\"ip\": \"203.0.113.9\", \"name\": \"robot\"}' FROM event",
    );
    for (query, total) in [
        ("ip=203.0.113.9", 1200),
        ("actor=robot", 1200),
        ("actor=robot&ip=203.0.113.9", 1200),
        ("ip=127.0.0.1", 1),
        ("actor=robot&ip=127.0.0.1", 0),
        ("actor=unknown", 0),
    ] {
        let path = format!("{EVENTS}?count=true&limit=1&{query}");
        let response = app.get(&path).bearer(&token).send().expect(200);
        assert_eq!(response.body["page"]["total"], total, "{query}");
        assert_eq!(
            response.data().as_array().unwrap().len(),
            total.min(1),
            "{query}"
        );
    }
}

#[test]
fn purge_keeps_events_and_removes_personal_data() {
    let app = TestApp::start();
    let (_, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let body = json!({"username": "ada-lovelace", "email": "ada@example.org", "displayName": "Ada", "role": "User"});
    let created = app
        .post("/api/v1/users")
        .bearer(&admin)
        .json(&body)
        .send()
        .expect(201);
    let id = created.data()["id"].as_str().unwrap();
    let path = format!("/api/v1/users/{id}");
    app.patch(&path)
        .bearer(&admin)
        .json(&json!({"email": "countess@example.org"}))
        .send()
        .expect(200);
    log_in(&app, "ada-lovelace", "not the password").expect(401);
    let of_ada = || list_entries(&app, &admin, EVENTS, &format!("user={id}"));
    let before = of_ada();
    assert_eq!(before[2]["after"]["username"], "ada-lovelace");
    assert_eq!(before[1]["before"]["email"], "ada@example.org");
    assert_eq!(before[0]["ip"], "127.0.0.1");
    app.delete(&format!("{path}?purge=true"))
        .bearer(&admin)
        .send()
        .expect(204);

    let after = of_ada();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[0]["action"], "user.purge");
    assert_eq!(after[0]["before"]["role"], "User");
    assert_eq!(
        after[3]["after"],
        json!({"role": "User", "permissions": [], "isActive": true})
    );
    assert_eq!(
        (&after[1]["ip"], &after[1]["userAgent"]),
        (&Value::Null, &Value::Null)
    );
    let text = json!(after).to_string();
    for word in ["ada-lovelace", "countess", "ada@", "\"Ada\""] {
        assert!(!text.contains(word), "{word}");
    }
    let rows =
        "SELECT count(*) FROM audit_events e WHERE e::text ~* 'lovelace|example.org|countess'";
    assert_eq!(
        app.query_number(rows),
        0,
        "rows contain ids only, also before the purge"
    );
}

#[test]
fn missing_permission_is_recorded_at_most_ten_times_per_minute_for_each_caller() {
    let app = TestApp::start();
    let (user, powerless) = app.create_signed_in_user("User", &[]);
    for _ in 0..15 {
        app.get("/api/v1/users")
            .bearer(&powerless)
            .send()
            .expect_problem(403, "permission_required");
    }
    let bulk = json!({"action": "disable", "ids": [user.id]});
    let (_, tagger) = app.create_signed_in_user("User", &["users.update"]);
    app.post("/api/v1/users/bulk")
        .bearer(&tagger)
        .json(&bulk)
        .send()
        .expect_problem(403, "permission_required");
    let admin = app.super_admin_token();
    let entries = list_entries(&app, &admin, EVENTS, "action=request.deny");
    assert_eq!(entries.len(), 11, "{entries:#?}");
    assert_eq!(entries[0]["after"]["route"], "/api/v1/users/bulk");
    let event = &entries[10];
    assert_eq!(event["outcome"], "refused");
    assert_eq!(event["code"], "permission_required");
    assert_eq!(event["actor"]["id"], user.id);
    assert_eq!(event["after"]["method"], "GET");
    assert_eq!(event["after"]["route"], "/api/v1/users");
    // Questions of a proxy about the permissions of its app are not refusals of this service.
    let (_, visitor) = app.create_signed_in_user("User", &[]);
    app.get("/api/v1/auth/verify?permission=assets.read")
        .bearer(&visitor)
        .send()
        .expect(403);
    let entries = list_entries(&app, &admin, EVENTS, "action=request.deny");
    assert_eq!(entries.len(), 11);
}

#[test]
fn rejected_and_repeated_refresh_tokens_are_recorded() {
    let app = TestApp::start();
    app.create_user("ada", "User", &[]);
    let tokens = app.sign_in("ada");
    let refresh = |token: &Value| {
        let body = json!({"refreshToken": token});
        app.post("/api/v1/auth/refresh").json(&body).send().status
    };
    assert_eq!(refresh(&tokens["refreshToken"]), 200);
    assert_eq!(refresh(&tokens["refreshToken"]), 200);
    let repeated = "SELECT count(*) FROM audit_events WHERE action = 'session.refresh' AND outcome = 'done' AND after->>'isRepeated' = 'true'";
    assert_eq!(app.query_number(repeated), 1);
    app.execute("UPDATE sessions SET expires_at = now()");
    assert_eq!(refresh(&tokens["refreshToken"]), 401);
    let rejected = |code: &str| {
        app.query_number(&format!(
            "SELECT count(*) FROM audit_events WHERE action = 'session.refresh' AND outcome = 'refused' AND code = 'auth_refresh_token_{code}'"
        ))
    };
    assert_eq!(rejected("expired"), 1);
    for _ in 0..70 {
        assert_eq!(refresh(&json!("rst_rt_unknown")), 401);
    }
    // One request was repeated and one was rejected before: 60 are recorded, and one more per minute.
    assert_eq!(rejected("invalid"), 59);
}

/// What a purged user did keeps its username, for a `SuperAdmin` only.
#[test]
fn username_of_a_purged_actor_is_shown_to_a_super_admin_only() {
    let app = TestApp::start();
    let (_, super_admin) = app.create_signed_in_user("SuperAdmin", &[]);
    let (_, auditor) = create_reader(&app);
    let (admin, admin_token) = app.create_signed_in_user("Admin", &[]);
    let user = app.create_user("ada", "User", &[]);
    let tag = app.put(&user.path("/tags/staff")).bearer(&admin_token);
    tag.send().expect(200);
    let path = format!("{}?purge=true", admin.path(""));
    app.delete(&path).bearer(&super_admin).send().expect(204);

    let event = only_event(&app, &super_admin, "user.tag");
    assert_eq!(event["actor"]["name"], admin.username.as_str());
    assert_eq!(
        (&event["ip"], &event["userAgent"]),
        (&Value::Null, &Value::Null)
    );
    let event = only_event(&app, &auditor, "user.tag");
    assert_eq!(
        (&event["actor"]["name"], &event["ip"]),
        (&Value::Null, &Value::Null)
    );
    // The filter by name does not reveal it either.
    let query = format!("actor={}", admin.username);
    let count = |token: &str| list_entries(&app, token, EVENTS, &query).len();
    assert_eq!(count(&auditor), 0);
    assert!(count(&super_admin) > 0);
    let rows = format!(
        "SELECT count(*) FROM audit_personal_data WHERE user_id = '{}' AND (salt IS NOT NULL OR data ?| '{{ip,userAgent,before,after}}')",
        admin.id
    );
    assert_eq!(
        app.query_number(&rows),
        0,
        "only names remain, without the salt of the rest"
    );
}
