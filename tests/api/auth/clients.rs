//! Service clients: who makes and manages them. What they do with their secret is in `oauth.rs`.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, at_once};

const CLIENTS: &str = "/api/v1/clients";

fn make(app: &TestApp, by: &str, body: &Value) -> Answer {
    app.post(CLIENTS).by(by).json(body).send()
}

fn made(app: &TestApp, by: &str, name: &str, permissions: &[&str]) -> Value {
    let body = json!({"name": name, "permissions": permissions});
    make(app, by, &body).expect(201).data().clone()
}

fn at(client: &Value, below: &str) -> String {
    format!("{CLIENTS}/{}{below}", client["id"].as_str().unwrap())
}

#[test]
fn a_client_is_made_shown_found_changed_and_deleted() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let body = json!({"name": " media server ", "permissions": ["users.read", "roles.read"]});
    let answer = make(&app, &admin, &body).expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let client = answer.data().clone();
    assert_eq!(answer.header("location"), at(&client, ""));
    assert_eq!(client["id"], client["clientId"]);
    assert_eq!(client["name"], "media server");
    assert_eq!(client["permissions"], json!(["roles.read", "users.read"]));
    assert_eq!(
        (&client["rank"], &client["isActive"]),
        (&json!(0), &json!(true))
    );
    let secret = client["clientSecret"].as_str().unwrap();
    assert!(secret.starts_with("rst_cs_") && secret.len() == 56);

    let shown = app.get(&at(&client, "")).by(&admin).send().expect(200);
    assert_eq!(shown.data().get("clientSecret"), None);
    assert_eq!(shown.data()["lastUsedAtUtc"], Value::Null);
    let kept = "SELECT count(*) FROM service_clients c WHERE c::text LIKE '%rst_cs_%'";
    assert_eq!(app.number(kept), 0);

    let change = json!({"name": "media", "permissions": ["users.read"], "rank": 5});
    let patch = |body: &Value| app.patch(&at(&client, "")).by(&admin).json(body).send();
    let changed = patch(&change).expect(200);
    assert_eq!(changed.data()["permissions"], json!(["users.read"]));
    assert_eq!(
        (&changed.data()["rank"], &changed.data()["name"]),
        (&json!(5), &json!("media"))
    );
    let same = patch(&change).expect(200);
    assert_eq!(same.header("etag"), changed.header("etag"));
    let cleared = patch(&json!({"permissions": null})).expect(200);
    assert_eq!(cleared.data()["permissions"], json!([]));

    app.delete(&at(&client, "")).by(&admin).send().expect(204);
    app.get(&at(&client, ""))
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");
    let acts = "SELECT string_agg(action, ' ' ORDER BY at) FROM audit_events WHERE subject_kind = 'client'";
    assert_eq!(
        app.text(acts),
        "client.create client.update client.update client.update client.delete"
    );
}

#[test]
fn the_list_goes_from_the_newest_on_and_page_by_page() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let names = ["a", "b", "c"];
    for name in names {
        made(&app, &admin, name, &[]);
    }
    let first = app
        .get(&format!("{CLIENTS}?limit=2&count=true"))
        .by(&admin)
        .send()
        .expect(200);
    let name = |answer: &Answer, at: usize| answer.data()[at]["name"].as_str().unwrap().to_owned();
    assert_eq!(
        (name(&first, 0), name(&first, 1)),
        ("c".to_owned(), "b".to_owned())
    );
    assert_eq!(first.body["page"]["total"], 3);
    let next = first.body["page"]["next"].as_str().unwrap();
    let rest = app
        .get(&format!("{CLIENTS}?limit=2&cursor={next}"))
        .by(&admin)
        .send()
        .expect(200);
    assert_eq!(name(&rest, 0), "a");
    assert_eq!(rest.body["page"]["next"], Value::Null);
    app.get(&format!("/api/v1/invites?cursor={next}"))
        .by(&admin)
        .send()
        .expect_fault("?cursor", "invalid_cursor");
}

#[test]
fn what_is_wrong_with_a_client_is_told() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let client = made(&app, &admin, "media", &[]);
    let make = |body: Value| make(&app, &admin, &body);
    make(json!({"name": " ", "permissions": []})).expect_fault("/name", "too_short");
    make(json!({"name": "x", "rank": 1000})).expect_fault("/rank", "out_of_range");
    make(json!({"name": "x", "rank": -1})).expect_fault("/rank", "out_of_range");
    make(json!({"permissions": []})).expect_fault("/name", "required");
    make(json!({"name": "x", "clientSecret": "mine"}))
        .expect_fault("/clientSecret", "unknown_field");
    let unknown = make(json!({"name": "x", "permissions": ["no.such"]}))
        .expect_problem(400, "permission_unknown");
    assert_eq!(unknown.body["errors"][0]["pointer"], "/permissions/0");
    make(json!({"name": "MEDIA", "permissions": []})).expect_problem(409, "client_name_conflict");

    let other = made(&app, &admin, "other", &[]);
    let patch = |body: Value| app.patch(&at(&other, "")).by(&admin).json(&body).send();
    patch(json!({"name": "Media"})).expect_problem(409, "client_name_conflict");
    patch(json!({"name": null})).expect_fault("/name", "required");
    patch(json!({"isActive": null})).expect_fault("/isActive", "required");
    patch(json!({"digest": "00"})).expect_fault("/digest", "unknown_field");
    for id in ["00000000-0000-0000-0000-000000000000", "no-uuid"] {
        for (method, path) in [
            ("GET", format!("{CLIENTS}/{id}")),
            ("PATCH", format!("{CLIENTS}/{id}")),
            ("DELETE", format!("{CLIENTS}/{id}")),
            ("POST", format!("{CLIENTS}/{id}/rotate-secret")),
        ] {
            app.call(method, &path)
                .by(&admin)
                .json(&json!({}))
                .send()
                .expect_problem(404, "not_found");
        }
    }
    app.patch(&at(&client, ""))
        .by(&admin)
        .header("If-Match", "\"9-0011223344556677\"")
        .json(&json!({"name": "stale"}))
        .send()
        .expect_problem(412, "precondition_failed");
}

#[test]
fn of_many_who_take_one_name_at_once_one_gets_it() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for round in 0..20 {
        let answers = at_once(4, |index| {
            let name = format!("{}-{round}", if index % 2 == 0 { "media" } else { "Media" });
            make(&app, &admin, &json!({"name": name, "permissions": []})).status
        });
        let made = answers.iter().filter(|status| **status == 201).count();
        assert_eq!(made, 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 409).count(), 3);
    }
}

#[test]
fn c03_nobody_gives_a_client_what_they_do_not_hold() {
    let app = TestApp::start();
    let (_, lead) = app.someone("User", &["clients.manage", "clients.read", "users.read"]);
    let body = json!({"name": "x", "permissions": ["users.read", "users.delete"]});
    let refused = make(&app, &lead, &body).expect_problem(403, "permission_not_held");
    assert!(refused.text.contains("users.delete"), "{}", refused.text);
    let client = made(&app, &lead, "x", &["users.read"]);
    let patch = |body: Value| app.patch(&at(&client, "")).by(&lead).json(&body).send();
    patch(json!({"permissions": ["users.read", "users.delete"]}))
        .expect_problem(403, "permission_not_held");
    patch(json!({"rank": 1})).expect_problem(403, "client_manage_forbidden");
    // What is there already need not be held by whoever changes the rest.
    let admin = app.super_admin();
    let rich = made(&app, &admin, "rich", &["users.delete"]);
    let patch = |body: Value| app.patch(&at(&rich, "")).by(&lead).json(&body).send();
    patch(json!({"permissions": ["users.delete", "users.read"]})).expect(200);
    // But who gets the secret gets all of it.
    app.post(&at(&rich, "/rotate-secret"))
        .by(&lead)
        .send()
        .expect_problem(403, "client_manage_forbidden");
    let refusals =
        "SELECT count(*) FROM audit_events WHERE action LIKE 'client.%' AND outcome = 'refused'";
    assert_eq!(app.number(refusals), 4);
}

#[test]
fn a_client_ranks_below_whoever_makes_or_manages_it() {
    let app = TestApp::start();
    let admin = app.super_admin();
    app.role("Lead", 50, &["clients.manage", "clients.read"]);
    let (_, lead) = app.someone("Lead", &[]);
    for rank in [50, 999] {
        let body = json!({"name": "equal", "permissions": [], "rank": rank});
        make(&app, &lead, &body).expect_problem(403, "client_manage_forbidden");
        let client = make(
            &app,
            &admin,
            &json!({"name": format!("c{rank}"), "rank": rank}),
        );
        let client = client.expect(201).data().clone();
        for (method, below) in [("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")] {
            app.call(method, &at(&client, below))
                .by(&lead)
                .json(&json!({"name": "mine"}))
                .send()
                .expect_problem(403, "client_manage_forbidden");
        }
    }
    let below = make(&app, &lead, &json!({"name": "below", "rank": 49})).expect(201);
    let patch = app.patch(&at(below.data(), "")).by(&lead);
    patch
        .json(&json!({"rank": 50}))
        .send()
        .expect_problem(403, "client_manage_forbidden");
}

#[test]
fn whoever_loses_the_right_while_the_request_waits_makes_no_client() {
    let app = TestApp::start();
    let (user, lead) = app.someone("User", &["clients.manage"]);
    made(&app, &lead, "before", &[]);
    app.execute(&format!(
        "UPDATE users SET permissions = '{{}}' WHERE id = '{}'",
        user.id
    ));
    // Memory may still know better for a moment; the transaction does not.
    let answer = make(&app, &lead, &json!({"name": "after"}));
    answer.expect_problem(403, "permission_required");
}

#[test]
fn a_permission_that_a_client_has_stays_in_the_catalogue() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let permission = json!({"name": "assets.read"});
    app.post("/api/v1/permissions")
        .by(&admin)
        .json(&permission)
        .send()
        .expect(201);
    let client = made(&app, &admin, "media", &["assets.read"]);
    let remove = || {
        app.delete("/api/v1/permissions/assets.read")
            .by(&admin)
            .send()
    };
    let refused = remove().expect_problem(409, "permission_in_use");
    assert_eq!(refused.body["count"], 1);
    app.delete(&at(&client, "")).by(&admin).send().expect(204);
    remove().expect(204);
}

#[test]
fn a_kept_answer_goes_with_the_secret_that_it_holds() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let create = || {
        app.post(CLIENTS)
            .by(&admin)
            .header("Idempotency-Key", "once")
            .json(&json!({"name": "media"}))
            .send()
    };
    let first = create().expect(201);
    let again = create().expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.text, first.text);
    app.post(&at(first.data(), "/rotate-secret"))
        .by(&admin)
        .send()
        .expect(200);
    create().expect_problem(409, "client_name_conflict");
}

#[test]
fn no_client_gets_a_permission_that_leaves_the_catalogue_meanwhile() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for round in 0..20 {
        let permission = format!("assets.read{round}");
        let body = json!({"name": permission});
        app.post("/api/v1/permissions")
            .by(&admin)
            .json(&body)
            .send()
            .expect(201);
        let answers = at_once(2, |index| {
            if index == 0 {
                let path = format!("/api/v1/permissions/{permission}");
                app.delete(&path).by(&admin).send().status
            } else {
                let body = json!({"name": format!("c{round}"), "permissions": [permission]});
                make(&app, &admin, &body).status
            }
        });
        assert!(
            answers == [204, 400] || answers == [409, 201],
            "{answers:?}"
        );
    }
    let unknown = "SELECT count(*) FROM service_clients c, unnest(c.permissions) p \
                   WHERE p NOT IN (SELECT name FROM permissions)";
    assert_eq!(app.number(unknown), 0);
}
