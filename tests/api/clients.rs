//! `/api/v1/clients`: managing service clients. Their tokens are in `oauth/`.

use serde_json::{Value, json};

use crate::support::{Response, TestApp, run_concurrently};

const CLIENTS: &str = "/api/v1/clients";

fn create_client(app: &TestApp, token: &str, body: &Value) -> Response {
    app.post(CLIENTS).bearer(token).json(body).send()
}

fn create_named_client(app: &TestApp, token: &str, name: &str, permissions: &[&str]) -> Value {
    let body = json!({"name": name, "permissions": permissions});
    create_client(app, token, &body).expect(201).data().clone()
}

fn client_path(client: &Value, suffix: &str) -> String {
    format!("{CLIENTS}/{}{suffix}", client["id"].as_str().unwrap())
}

#[test]
fn client_can_be_created_read_updated_and_deleted() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let body = json!({"name": " media server ", "permissions": ["users.read", "roles.read"]});
    let response = create_client(&app, &admin, &body).expect(201);
    assert_eq!(response.header("cache-control"), "no-store");
    let client = response.data().clone();
    assert_eq!(response.header("location"), client_path(&client, ""));
    assert_eq!(client["id"], client["clientId"]);
    assert_eq!(client["name"], "media server");
    assert_eq!(client["permissions"], json!(["roles.read", "users.read"]));
    assert_eq!(
        (&client["rank"], &client["isActive"]),
        (&json!(0), &json!(true))
    );
    let secret = client["clientSecret"].as_str().unwrap();
    assert!(secret.starts_with("rst_cs_") && secret.len() == 56);

    let client_response = app
        .get(&client_path(&client, ""))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(client_response.data().get("clientSecret"), None);
    assert_eq!(client_response.data()["lastUsedAtUtc"], Value::Null);
    let rows_with_secret = "SELECT count(*) FROM service_clients c WHERE c::text LIKE '%rst_cs_%'";
    assert_eq!(app.query_number(rows_with_secret), 0);

    let change = json!({"name": "media", "permissions": ["users.read"], "rank": 5});
    let patch = |body: &Value| {
        app.patch(&client_path(&client, ""))
            .bearer(&admin)
            .json(body)
            .send()
    };
    let changed = patch(&change).expect(200);
    assert_eq!(changed.data()["permissions"], json!(["users.read"]));
    assert_eq!(
        (&changed.data()["rank"], &changed.data()["name"]),
        (&json!(5), &json!("media"))
    );
    let unchanged = patch(&change).expect(200);
    assert_eq!(unchanged.header("etag"), changed.header("etag"));
    let cleared = patch(&json!({"permissions": null})).expect(200);
    assert_eq!(cleared.data()["permissions"], json!([]));

    app.delete(&client_path(&client, ""))
        .bearer(&admin)
        .send()
        .expect(204);
    app.get(&client_path(&client, ""))
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");
    let actions = "SELECT string_agg(action, ' ' ORDER BY at) FROM audit_events WHERE subject_kind = 'client'";
    assert_eq!(
        app.query_text(actions),
        "client.create client.update client.update client.update client.delete"
    );
}

#[test]
fn client_list_is_newest_first_and_paginated() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let names = ["a", "b", "c"];
    for name in names {
        create_named_client(&app, &admin, name, &[]);
    }
    let first = app
        .get(&format!("{CLIENTS}?limit=2&count=true"))
        .bearer(&admin)
        .send()
        .expect(200);
    let name = |response: &Response, index: usize| {
        response.data()[index]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (name(&first, 0), name(&first, 1)),
        ("c".to_owned(), "b".to_owned())
    );
    assert_eq!(first.body["page"]["total"], 3);
    let next = first.body["page"]["next"].as_str().unwrap();
    let second_page = app
        .get(&format!("{CLIENTS}?limit=2&cursor={next}"))
        .bearer(&admin)
        .send()
        .expect(200);
    assert_eq!(name(&second_page, 0), "a");
    assert_eq!(second_page.body["page"]["next"], Value::Null);
    app.get(&format!("/api/v1/invites?cursor={next}"))
        .bearer(&admin)
        .send()
        .expect_field_error("?cursor", "invalid_cursor");
}

#[test]
fn invalid_client_is_refused_with_the_field_that_is_wrong() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let client = create_named_client(&app, &admin, "media", &[]);
    let create = |body: Value| create_client(&app, &admin, &body);
    create(json!({"name": " ", "permissions": []})).expect_field_error("/name", "too_short");
    create(json!({"name": "x", "rank": 1000})).expect_field_error("/rank", "out_of_range");
    create(json!({"name": "x", "rank": -1})).expect_field_error("/rank", "out_of_range");
    create(json!({"permissions": []})).expect_field_error("/name", "required");
    create(json!({"name": "x", "clientSecret": "mine"}))
        .expect_field_error("/clientSecret", "unknown_field");
    let unknown = create(json!({"name": "x", "permissions": ["no.such"]}))
        .expect_problem(400, "permission_unknown");
    assert_eq!(unknown.body["errors"][0]["pointer"], "/permissions/0");
    create(json!({"name": "MEDIA", "permissions": []})).expect_problem(409, "client_name_conflict");

    let other = create_named_client(&app, &admin, "other", &[]);
    let patch = |body: Value| {
        app.patch(&client_path(&other, ""))
            .bearer(&admin)
            .json(&body)
            .send()
    };
    patch(json!({"name": "Media"})).expect_problem(409, "client_name_conflict");
    patch(json!({"name": null})).expect_field_error("/name", "required");
    patch(json!({"isActive": null})).expect_field_error("/isActive", "required");
    patch(json!({"digest": "00"})).expect_field_error("/digest", "unknown_field");
    for id in ["00000000-0000-0000-0000-000000000000", "no-uuid"] {
        for (method, path) in [
            ("GET", format!("{CLIENTS}/{id}")),
            ("PATCH", format!("{CLIENTS}/{id}")),
            ("DELETE", format!("{CLIENTS}/{id}")),
            ("POST", format!("{CLIENTS}/{id}/rotate-secret")),
        ] {
            app.call(method, &path)
                .bearer(&admin)
                .json(&json!({}))
                .send()
                .expect_problem(404, "not_found");
        }
    }
    app.patch(&client_path(&client, ""))
        .bearer(&admin)
        .header("If-Match", "\"9-0011223344556677\"")
        .json(&json!({"name": "stale"}))
        .send()
        .expect_problem(412, "precondition_failed");
}

#[test]
fn concurrent_creates_with_one_name_create_one_client() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for round in 0..20 {
        let responses = run_concurrently(4, |index| {
            let name = format!("{}-{round}", if index % 2 == 0 { "media" } else { "Media" });
            create_client(&app, &admin, &json!({"name": name, "permissions": []})).status
        });
        let created = responses.iter().filter(|status| **status == 201).count();
        assert_eq!(created, 1, "{responses:?}");
        assert_eq!(responses.iter().filter(|status| **status == 409).count(), 3);
    }
}

// SECURITY: C03
#[test]
fn client_cannot_be_given_permissions_its_manager_lacks() {
    let app = TestApp::start();
    let (_, manager) =
        app.create_signed_in_user("User", &["clients.manage", "clients.read", "users.read"]);
    let body = json!({"name": "x", "permissions": ["users.read", "users.delete"]});
    let refused = create_client(&app, &manager, &body).expect_problem(403, "permission_not_held");
    assert!(refused.text.contains("users.delete"), "{}", refused.text);
    let client = create_named_client(&app, &manager, "x", &["users.read"]);
    let patch = |body: Value| {
        app.patch(&client_path(&client, ""))
            .bearer(&manager)
            .json(&body)
            .send()
    };
    patch(json!({"permissions": ["users.read", "users.delete"]}))
        .expect_problem(403, "permission_not_held");
    patch(json!({"rank": 1})).expect_problem(403, "client_manage_forbidden");
    // Permissions that the client already has are not checked again.
    let add = "clients add rich --permission users.delete --json";
    let privileged = app.cli().run(add).expect(0).json();
    let patch = |body: Value| {
        app.patch(&client_path(&privileged, ""))
            .bearer(&manager)
            .json(&body)
            .send()
    };
    patch(json!({"permissions": ["users.delete", "users.read"]})).expect(200);
    // A new secret gives access to all permissions of the client, so its manager must hold them all.
    app.post(&client_path(&privileged, "/rotate-secret"))
        .bearer(&manager)
        .send()
        .expect_problem(403, "client_manage_forbidden");
    let refusals =
        "SELECT count(*) FROM audit_events WHERE action LIKE 'client.%' AND outcome = 'refused'";
    assert_eq!(app.query_number(refusals), 4);
}

#[test]
fn client_must_rank_below_its_manager() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.create_role("Lead", 50, &["clients.manage", "clients.read"]);
    let (_, manager) = app.create_signed_in_user("Lead", &[]);
    for rank in [50, 999] {
        let body = json!({"name": "equal", "permissions": [], "rank": rank});
        create_client(&app, &manager, &body).expect_problem(403, "client_manage_forbidden");
        let client = create_client(
            &app,
            &admin,
            &json!({"name": format!("c{rank}"), "rank": rank}),
        );
        let client = client.expect(201).data().clone();
        for (method, suffix) in [("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")] {
            app.call(method, &client_path(&client, suffix))
                .bearer(&manager)
                .json(&json!({"name": "mine"}))
                .send()
                .expect_problem(403, "client_manage_forbidden");
        }
    }
    let lower_client =
        create_client(&app, &manager, &json!({"name": "below", "rank": 49})).expect(201);
    let patch = app
        .patch(&client_path(lower_client.data(), ""))
        .bearer(&manager);
    patch
        .json(&json!({"rank": 50}))
        .send()
        .expect_problem(403, "client_manage_forbidden");
}

#[test]
fn lost_permission_is_noticed_inside_the_transaction() {
    let app = TestApp::start();
    let (user, manager) = app.create_signed_in_user("User", &["clients.manage"]);
    create_named_client(&app, &manager, "before", &[]);
    app.execute(&format!(
        "UPDATE users SET permissions = '{{}}' WHERE id = '{}'",
        user.id
    ));
    // The cache may still have the old permissions; the transaction reads the current ones.
    let response = create_client(&app, &manager, &json!({"name": "after"}));
    response.expect_problem(403, "permission_required");
}

#[test]
fn permission_held_by_a_client_cannot_be_deleted() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let permission = json!({"name": "assets.read"});
    app.post("/api/v1/permissions")
        .bearer(&admin)
        .json(&permission)
        .send()
        .expect(201);
    let client = create_named_client(&app, &admin, "media", &["assets.read"]);
    let delete_permission = || {
        app.delete("/api/v1/permissions/assets.read")
            .bearer(&admin)
            .send()
    };
    let refused = delete_permission().expect_problem(409, "permission_in_use");
    assert_eq!(refused.body["count"], 1);
    app.delete(&client_path(&client, ""))
        .bearer(&admin)
        .send()
        .expect(204);
    delete_permission().expect(204);
}

#[test]
fn secret_rotation_deletes_the_stored_response() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let create = || {
        app.post(CLIENTS)
            .bearer(&admin)
            .header("Idempotency-Key", "once")
            .json(&json!({"name": "media"}))
            .send()
    };
    let first = create().expect(201);
    let replayed = create().expect(201);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(replayed.text, first.text);
    app.post(&client_path(first.data(), "/rotate-secret"))
        .bearer(&admin)
        .send()
        .expect(200);
    create().expect_problem(409, "client_name_conflict");
}

#[test]
fn client_never_receives_a_concurrently_deleted_permission() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for round in 0..20 {
        let permission = format!("assets.read{round}");
        let body = json!({"name": permission});
        app.post("/api/v1/permissions")
            .bearer(&admin)
            .json(&body)
            .send()
            .expect(201);
        let responses = run_concurrently(2, |index| {
            if index == 0 {
                let path = format!("/api/v1/permissions/{permission}");
                app.delete(&path).bearer(&admin).send().status
            } else {
                let body = json!({"name": format!("c{round}"), "permissions": [permission]});
                create_client(&app, &admin, &body).status
            }
        });
        assert!(
            responses == [204, 400] || responses == [409, 201],
            "{responses:?}"
        );
    }
    let unknown = "SELECT count(*) FROM service_clients c, unnest(c.permissions) p \
                   WHERE p NOT IN (SELECT name FROM permissions)";
    assert_eq!(app.query_number(unknown), 0);
}

// SECURITY: G08
#[test]
fn clients_of_one_creator_are_limited_even_when_raced() {
    let app = TestApp::start();
    let (creator, admin) = app.create_signed_in_user("SuperAdmin", &[]);
    app.execute(&format!(
        "INSERT INTO service_clients (id, name, secret_digest, permissions, rank, created_by, created_at, updated_at, secret_created_at) \
         SELECT gen_random_uuid(), 'c' || n, '', '{{}}', 0, '{}', now(), now(), now() FROM generate_series(1, 198) n",
        creator.id
    ));
    let body = |number: usize| json!({"name": format!("app {number}"), "permissions": []});
    let created = run_concurrently(8, |number| create_client(&app, &admin, &body(number)));
    let count = created
        .iter()
        .filter(|response| response.status == 201)
        .count();
    assert_eq!(count, 2);
    create_client(&app, &admin, &body(8)).expect_problem(409, "client_limit_reached");
    app.cli().run("clients add nightly").expect(0);
}
