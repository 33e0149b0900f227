//! Custom roles over HTTP: making, changing, renaming and deleting them, and what nobody may do with them.

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, at_once, eventually};

fn editor() -> Value {
    json!({"name": "Editor", "rank": 20, "permissions": ["users.read"], "description": "Keeps the texts"})
}

fn make(app: &TestApp, by: &str, role: &Value) -> Answer {
    app.post("/api/v1/roles").by(by).json(role).send()
}

fn change(app: &TestApp, by: &str, name: &str, change: &Value) -> Answer {
    let path = format!("/api/v1/roles/{name}");
    app.patch(&path).by(by).json(change).send()
}

/// An account of role `Lead` (rank 50), which manages roles and holds `users.read` and `users.update`.
fn lead(app: &TestApp) -> String {
    app.execute(
        "INSERT INTO roles (name, rank, permissions) VALUES \
         ('Lead', 50, '{roles.manage,roles.read,users.read,users.update}')",
    );
    app.someone("Lead", &[]).1
}

#[test]
fn a_role_is_made_shown_changed_and_deleted() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let made = make(&app, &admin, &editor()).expect(201);
    assert_eq!(made.header("location"), "/api/v1/roles/Editor");
    assert_eq!(made.data()["permissions"], json!(["users.read"]));
    assert_eq!(made.data()["isBuiltIn"], false);
    let shown = app
        .get("/api/v1/roles/Editor")
        .by(&admin)
        .send()
        .expect(200);
    assert_eq!(shown.body, made.body);
    assert_eq!(shown.header("etag"), made.header("etag"));

    let patch = json!({"rank": 30, "permissions": ["users.update", "users.read", "users.read"], "description": null});
    let changed = change(&app, &admin, "Editor", &patch).expect(200);
    assert_eq!(changed.data()["rank"], 30);
    assert_eq!(
        changed.data()["permissions"],
        json!(["users.read", "users.update"])
    );
    assert_eq!(changed.data()["description"], Value::Null);
    let renamed = change(&app, &admin, "Editor", &json!({"name": "Writer"})).expect(200);
    assert_eq!(renamed.data()["name"], "Writer");
    app.get("/api/v1/roles/Editor")
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");

    app.delete("/api/v1/roles/Writer")
        .by(&admin)
        .send()
        .expect(204);
    app.delete("/api/v1/roles/Writer")
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");
    let rows = |action: &str| {
        app.number(&format!(
            "SELECT count(*) FROM audit_events WHERE action = '{action}' AND outcome = 'done' AND subject_kind = 'role'"
        ))
    };
    assert_eq!(
        (
            rows("role.create"),
            rows("role.update"),
            rows("role.delete")
        ),
        (1, 2, 1)
    );
    let told = app.number(
        "SELECT count(*) FROM audit_events WHERE before = '{\"name\": \"Editor\"}' AND after = '{\"name\": \"Writer\"}'",
    );
    assert_eq!(told, 1);
}

#[test]
fn holders_feel_a_change_of_their_role_at_the_next_request() {
    let app = TestApp::start();
    let other = app.replica();
    let admin = app.super_admin();
    make(&app, &admin, &editor()).expect(201);
    let (_, token) = app.someone("Editor", &[]);
    let ask = |app: &TestApp| app.get("/api/v1/users").by(&token).send();
    for _ in 0..20 {
        ask(&app).expect(200);
        eventually(|| ask(&other).status == 200);
        let nothing = json!({"permissions": []});
        change(&app, &admin, "Editor", &nothing).expect(200);
        ask(&app).expect_problem(403, "permission_required");
        eventually(|| ask(&other).status == 403);
        change(
            &app,
            &admin,
            "Editor",
            &json!({"permissions": ["users.read"]}),
        )
        .expect(200);
    }
}

#[test]
fn whoever_is_moved_feels_it_at_the_next_request() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for round in 0..20 {
        make(&app, &admin, &editor()).expect(201);
        let (_, token) = app.someone("Editor", &[]);
        let ask = || app.get("/api/v1/users").by(&token).send();
        ask().expect(200);
        if round % 2 == 0 {
            let path = "/api/v1/roles/Editor?moveTo=User";
            app.delete(path).by(&admin).send().expect(204);
        } else {
            let path = "/api/v1/roles/Editor?moveTo=Other";
            make(&app, &admin, &json!({"name": "Other", "rank": 1})).expect(201);
            app.delete(path).by(&admin).send().expect(204);
        }
        ask().expect_problem(403, "permission_required");
        app.execute("UPDATE users SET role = 'User' WHERE role = 'Other'; DELETE FROM roles WHERE name = 'Other'");
    }
}

#[test]
fn what_is_no_role_is_refused_with_pointers() {
    let app = TestApp::start();
    let admin = app.super_admin();
    for name in [
        "",
        "x",
        "1st",
        "a b",
        "a/b",
        "Ädmin",
        "a\u{202e}b",
        &"a".repeat(51),
    ] {
        make(&app, &admin, &json!({"name": name, "rank": 1}))
            .expect_fault("/name", "invalid_format");
    }
    for rank in [-1, 1000, 1001, i64::from(i32::MAX)] {
        make(&app, &admin, &json!({"name": "Editor", "rank": rank}))
            .expect_fault("/rank", "out_of_range");
    }
    make(&app, &admin, &json!({"name": "Editor"})).expect_fault("/rank", "required");
    make(
        &app,
        &admin,
        &json!({"name": "Editor", "rank": 1, "builtIn": true}),
    )
    .expect_fault("/builtIn", "unknown_field");
    let long = json!({"name": "Editor", "rank": 1, "description": "x".repeat(501)});
    make(&app, &admin, &long).expect_fault("/description", "too_long");
    let unknown = json!({"name": "Editor", "rank": 1, "permissions": ["users.read", "users.fly"]});
    let answer = make(&app, &admin, &unknown).expect_problem(400, "permission_unknown");
    assert_eq!(answer.body["errors"][0]["pointer"], "/permissions/1");

    make(&app, &admin, &editor()).expect(201);
    for name in ["Editor", "EDITOR", "superadmin"] {
        make(&app, &admin, &json!({"name": name, "rank": 1}))
            .expect_problem(409, "role_name_conflict");
        make(&app, &admin, &json!({"name": "Other", "rank": 1}));
        let patch = json!({"name": name});
        change(&app, &admin, "Other", &patch).expect_problem(409, "role_name_conflict");
    }
    change(&app, &admin, "Editor", &json!({"name": null})).expect_fault("/name", "required");
    change(&app, &admin, "Editor", &json!({"rank": null})).expect_fault("/rank", "required");
    change(&app, &admin, "Editor", &json!({"rank": 1000})).expect_fault("/rank", "out_of_range");
    let unknown = json!({"permissions": ["users.fly"]});
    change(&app, &admin, "Nobody", &unknown).expect_problem(400, "permission_unknown");
    change(&app, &admin, "Nobody", &json!({})).expect_problem(404, "not_found");
    app.get("/api/v1/roles/a%00b")
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");
    app.delete("/api/v1/roles/a%00b")
        .by(&admin)
        .send()
        .expect_problem(404, "not_found");
    assert_eq!(app.number("SELECT count(*) FROM roles"), 5);
}

#[test]
fn c03_nobody_gives_a_role_what_they_do_not_hold_nor_lifts_it_to_themselves() {
    let app = TestApp::start();
    let lead = lead(&app);
    make(
        &app,
        &app.super_admin(),
        &json!({"name": "Peer", "rank": 50}),
    )
    .expect(201);
    make(
        &app,
        &app.super_admin(),
        &json!({"name": "Boss", "rank": 60}),
    )
    .expect(201);
    make(&app, &lead, &editor()).expect(201);
    let before =
        app.number("SELECT sum(version) + sum(rank) + sum(cardinality(permissions)) FROM roles");

    let more = |permission: &str| json!({"name": "More", "rank": 1, "permissions": ["users.read", permission]});
    make(&app, &lead, &more("users.delete")).expect_problem(403, "permission_not_held");
    for wildcard in ["*", "users.*", "*.*", "users."] {
        make(&app, &lead, &more(wildcard)).expect_problem(400, "permission_unknown");
    }
    for rank in [50, 51, 999] {
        make(&app, &lead, &json!({"name": "More", "rank": rank}))
            .expect_problem(403, "role_manage_forbidden");
        change(&app, &lead, "Editor", &json!({"rank": rank}))
            .expect_problem(403, "role_manage_forbidden");
    }
    let grant = json!({"permissions": ["users.read", "users.delete"]});
    change(&app, &lead, "Editor", &grant).expect_problem(403, "permission_not_held");
    for own in [
        json!({"permissions": ["users.read"]}),
        json!({"rank": 40}),
        json!({"description": "mine"}),
    ] {
        change(&app, &lead, "Lead", &own).expect_problem(403, "user_self_permissions_forbidden");
    }
    for role in ["Peer", "Boss", "Admin", "User"] {
        for patch in [
            json!({"permissions": []}),
            json!({"permissions": ["users.read"]}),
            json!({"rank": 1}),
        ] {
            let answer = change(&app, &lead, role, &patch).expect(403);
            assert!(
                answer.body["code"] == "role_manage_forbidden"
                    || answer.body["code"] == "role_built_in"
            );
        }
        app.delete(&format!("/api/v1/roles/{role}"))
            .by(&lead)
            .send()
            .expect(403);
    }
    app.delete("/api/v1/roles/Lead")
        .by(&lead)
        .send()
        .expect_problem(403, "user_self_permissions_forbidden");
    let after =
        app.number("SELECT sum(version) + sum(rank) + sum(cardinality(permissions)) FROM roles");
    assert_eq!(after, before);
    let refused = app.number(
        "SELECT count(*) FROM audit_events WHERE action LIKE 'role.%' AND outcome = 'refused'",
    );
    assert_eq!(refused, 1 + 6 + 1 + 3 + 16 + 1);

    // Taking away is no giving: what a role has and the caller lacks may stay or go.
    app.execute("UPDATE roles SET permissions = '{audit.read,users.delete,users.read}' WHERE name = 'Editor'");
    change(
        &app,
        &lead,
        "Editor",
        &json!({"permissions": ["users.delete", "users.update"]}),
    )
    .expect(200);
    change(
        &app,
        &lead,
        "Editor",
        &json!({"permissions": ["users.delete", "users.update", "audit.read"]}),
    )
    .expect_problem(403, "permission_not_held");
}

#[test]
fn whoever_lacks_the_permission_changes_no_role() {
    let app = TestApp::start();
    let (_, admin) = app.someone("Admin", &[]);
    make(&app, &admin, &editor()).expect_problem(403, "permission_required");
    change(&app, &admin, "User", &json!({})).expect_problem(403, "permission_required");
    app.delete("/api/v1/roles/User")
        .by(&admin)
        .send()
        .expect_problem(403, "permission_required");
    app.post("/api/v1/roles")
        .json(&editor())
        .send()
        .expect_problem(401, "auth_required");
    // Rank 0 stands above nothing.
    let (_, plain) = app.someone("User", &["roles.manage"]);
    make(&app, &plain, &json!({"name": "Editor", "rank": 0}))
        .expect_problem(403, "role_manage_forbidden");
}

#[test]
fn built_in_roles_stay_and_only_a_super_admin_changes_what_they_give() {
    let app = TestApp::start();
    let root = app.super_admin();
    for role in ["Admin", "User"] {
        let patch = json!({"permissions": ["users.read"], "description": "Other"});
        let changed = change(&app, &root, role, &patch).expect(200);
        assert_eq!(changed.data()["permissions"], json!(["users.read"]));
        for patch in [json!({"rank": 3}), json!({"name": "Other"})] {
            change(&app, &root, role, &patch).expect_problem(403, "role_built_in");
        }
        // What it has already is no change.
        let rank = changed.data()["rank"].clone();
        change(&app, &root, role, &json!({"name": role, "rank": rank})).expect(200);
        app.delete(&format!("/api/v1/roles/{role}"))
            .by(&root)
            .send()
            .expect_problem(403, "role_built_in");
    }
    for patch in [
        json!({"permissions": ["users.read"]}),
        json!({"description": "x"}),
        json!({"rank": 1}),
        json!({}),
    ] {
        change(&app, &root, "SuperAdmin", &patch).expect_problem(403, "role_built_in");
    }
    app.delete("/api/v1/roles/SuperAdmin?moveTo=User")
        .by(&root)
        .send()
        .expect_problem(403, "role_built_in");
    let (_, admin) = app.someone("Admin", &["roles.manage"]);
    change(&app, &admin, "User", &json!({"permissions": []}))
        .expect_problem(403, "role_manage_forbidden");
    change(&app, &admin, "Admin", &json!({"permissions": []}))
        .expect_problem(403, "user_self_permissions_forbidden");
}

#[test]
fn a_role_in_use_is_neither_renamed_nor_deleted_unless_its_accounts_move() {
    let app = TestApp::start();
    let root = app.super_admin();
    make(&app, &root, &editor()).expect(201);
    make(
        &app,
        &root,
        &json!({"name": "Writer", "rank": 10, "permissions": ["roles.read"]}),
    )
    .expect(201);
    let (user, token) = app.someone("Editor", &[]);
    let gone = app.user("gone", "Editor", &[]);
    app.execute(&format!(
        "UPDATE users SET deleted_at = now() WHERE id = '{}'",
        gone.id
    ));

    let answer = app
        .delete("/api/v1/roles/Editor")
        .by(&root)
        .send()
        .expect_problem(409, "role_in_use");
    assert_eq!(answer.body["count"], 2);
    let answer = change(&app, &root, "Editor", &json!({"name": "Author"}))
        .expect_problem(409, "role_in_use");
    assert_eq!(answer.body["count"], 2);
    for to in ["Editor", "Nobody", ""] {
        let path = format!("/api/v1/roles/Editor?moveTo={to}");
        app.delete(&path)
            .by(&root)
            .send()
            .expect_fault("?moveTo", "role_unknown");
        app.patch(&path)
            .by(&root)
            .json(&json!({"name": "Author"}))
            .send()
            .expect_fault("?moveTo", "role_unknown");
    }
    let path = "/api/v1/roles/Editor?moveTo=Writer";
    app.patch(path)
        .by(&root)
        .json(&json!({"rank": 3}))
        .send()
        .expect_fault("?moveTo", "invalid_value");

    // To itself under another name.
    let path = "/api/v1/roles/Editor?moveTo=Author";
    let renamed = app
        .patch(path)
        .by(&root)
        .json(&json!({"name": "Author"}))
        .send()
        .expect(200);
    assert_eq!(renamed.data()["name"], "Author");
    let shown = app
        .get(&format!("/api/v1/users/{}", user.id))
        .by(&root)
        .send()
        .expect(200);
    assert_eq!(shown.data()["role"], "Author");
    app.get("/api/v1/users").by(&token).send().expect(200);

    // To another one, at a rename and at the end.
    let path = "/api/v1/roles/Author?moveTo=Writer";
    app.patch(path)
        .by(&root)
        .json(&json!({"name": "Empty"}))
        .send()
        .expect(200);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE role = 'Writer'"),
        2
    );
    app.get("/api/v1/users")
        .by(&token)
        .send()
        .expect_problem(403, "permission_required");
    let mark = shown.header("etag").to_owned();
    let shown = app
        .get(&format!("/api/v1/users/{}", user.id))
        .by(&root)
        .send()
        .expect(200);
    assert_ne!(shown.header("etag"), mark);
    app.delete("/api/v1/roles/Empty")
        .by(&root)
        .send()
        .expect(204);
    app.delete("/api/v1/roles/Writer?moveTo=User")
        .by(&root)
        .send()
        .expect(204);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE role = 'User'"),
        2
    );
    let told = app.number(&format!(
        "SELECT count(*) FROM audit_events WHERE action = 'user.update' AND subject_id = '{}' AND after ? 'role'",
        user.id
    ));
    assert_eq!(told, 3);
}

#[test]
fn moving_accounts_obeys_the_rules_for_giving_each_of_them_that_role() {
    let app = TestApp::start();
    let root = app.super_admin();
    let lead = lead(&app);
    make(&app, &root, &editor()).expect(201);
    make(&app, &root, &json!({"name": "Peer", "rank": 50})).expect(201);
    make(
        &app,
        &root,
        &json!({"name": "Deleter", "rank": 10, "permissions": ["users.delete"]}),
    )
    .expect(201);
    app.user("ada", "Editor", &[]);
    for (to, code) in [
        ("SuperAdmin", "user_super_admin_forbidden"),
        ("Admin", "user_manage_forbidden"),
        ("Peer", "user_manage_forbidden"),
        ("Lead", "user_manage_forbidden"),
        ("Deleter", "permission_not_held"),
    ] {
        let path = format!("/api/v1/roles/Editor?moveTo={to}");
        app.delete(&path).by(&lead).send().expect_problem(403, code);
        app.patch(&path)
            .by(&lead)
            .json(&json!({"name": "Author"}))
            .send()
            .expect_problem(403, code);
    }
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE role = 'Editor'"),
        1
    );
    assert_eq!(
        app.number("SELECT count(*) FROM roles WHERE name = 'Editor'"),
        1
    );

    let (_, narrow) = app.someone("Lead", &[]);
    app.execute("UPDATE roles SET permissions = '{roles.manage,users.read}' WHERE name = 'Lead'");
    app.delete("/api/v1/roles/Editor?moveTo=User")
        .by(&narrow)
        .send()
        .expect_problem(403, "permission_required");
    app.execute("UPDATE roles SET permissions = '{roles.manage,users.read,users.update}' WHERE name = 'Lead'");
    app.delete("/api/v1/roles/Editor?moveTo=User")
        .by(&narrow)
        .send()
        .expect(204);
}

#[test]
fn conditions_and_retries_hold_for_roles() {
    let app = TestApp::start();
    let admin = app.super_admin();
    let ask = |body: &Value| {
        app.post("/api/v1/roles")
            .by(&admin)
            .header("Idempotency-Key", "k")
            .json(body)
            .send()
    };
    let made = ask(&editor()).expect(201);
    let again = ask(&editor()).expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.body, made.body);
    ask(&json!({"name": "Other", "rank": 1})).expect_problem(422, "idempotency_key_reused");

    let old = made.header("etag").to_owned();
    let patch = |tag: &str, rank: usize| {
        app.patch("/api/v1/roles/Editor")
            .by(&admin)
            .header("If-Match", tag)
            .json(&json!({"rank": rank}))
            .send()
    };
    patch(&old, 21).expect(200);
    patch(&old, 22).expect_problem(412, "precondition_failed");
    let stale = app
        .delete("/api/v1/roles/Editor")
        .by(&admin)
        .header("If-Match", &old)
        .send();
    stale.expect_problem(412, "precondition_failed");
    let current = app
        .get("/api/v1/roles/Editor")
        .by(&admin)
        .send()
        .header("etag")
        .to_owned();
    let known = app
        .get("/api/v1/roles/Editor")
        .by(&admin)
        .header("If-None-Match", &current)
        .send();
    known.expect(304);
    let racers: Vec<u16> = at_once(8, |racer| patch(&current, 30 + racer).status);
    assert_eq!(
        racers.iter().filter(|status| **status == 200).count(),
        1,
        "{racers:?}"
    );
    assert_eq!(
        racers.iter().filter(|status| **status == 412).count(),
        7,
        "{racers:?}"
    );
}

#[test]
fn no_permission_leaves_the_catalogue_while_a_role_gets_it() {
    let app = TestApp::start();
    let other = app.replica();
    let admin = app.super_admin();
    make(&app, &admin, &editor()).expect(201);
    for round in 0..25 {
        let name = format!("assets.read{round}");
        app.post("/api/v1/permissions")
            .by(&admin)
            .json(&json!({"name": name}))
            .send()
            .expect(201);
        let statuses = at_once(4, |racer| {
            match racer {
            0 => app.delete(&format!("/api/v1/permissions/{name}")).by(&admin).send().status,
            1 => change(&other, &admin, "Editor", &json!({"permissions": [name]})).status,
            2 => make(&other, &admin, &json!({"name": format!("Made{round}"), "rank": 1, "permissions": [name]})).status,
            _ => other
                .post("/api/v1/users")
                .by(&admin)
                .json(&json!({"username": format!("user{round}"), "role": "User", "permissions": [name]}))
                .send()
                .status,
        }
        });
        assert!([204, 409].contains(&statuses[0]), "{statuses:?}");
        assert!([200, 400].contains(&statuses[1]), "{statuses:?}");
        assert!([201, 400].contains(&statuses[2]), "{statuses:?}");
        assert!([201, 400].contains(&statuses[3]), "{statuses:?}");
        let dangling = "SELECT count(*) FROM (SELECT unnest(permissions) AS name FROM roles UNION SELECT unnest(permissions) FROM users) AS held \
             WHERE name NOT IN (SELECT name FROM permissions)";
        assert_eq!(app.number(dangling), 0, "{statuses:?}");
    }
}

#[test]
fn no_role_goes_while_somebody_gets_it() {
    let app = TestApp::start();
    let other = app.replica();
    let admin = app.super_admin();
    let ada = app.user("ada", "User", &[]);
    for round in 0..25 {
        make(&app, &admin, &json!({"name": "Passing", "rank": 1})).expect(201);
        let statuses = at_once(4, |racer| {
            match racer {
            0 => app.delete("/api/v1/roles/Passing").by(&admin).send().status,
            1 => other.patch(&format!("/api/v1/users/{}", ada.id)).by(&admin).json(&json!({"role": "Passing"})).send().status,
            2 => change(&app, &admin, "Passing", &json!({"name": "Renamed"})).status,
            _ => other
                .post("/api/v1/users")
                .by(&admin)
                .json(&json!({"username": format!("user{round}"), "password": PASSWORD, "role": "Passing"}))
                .send()
                .status,
        }
        });
        assert!([204, 404, 409].contains(&statuses[0]), "{statuses:?}");
        assert!([200, 400].contains(&statuses[1]), "{statuses:?}");
        assert!([200, 404, 409].contains(&statuses[2]), "{statuses:?}");
        assert!([201, 400].contains(&statuses[3]), "{statuses:?}");
        app.execute("UPDATE users SET role = 'User' WHERE role NOT IN ('SuperAdmin'); DELETE FROM roles WHERE NOT built_in");
    }
}
