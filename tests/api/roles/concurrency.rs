//! Conditional requests, retries and races on roles.

use serde_json::{Value, json};

use super::{create_role, editor, update_role};
use crate::support::{PASSWORD, TestApp, run_concurrently};

#[test]
fn if_match_and_idempotency_keys_apply_to_roles() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let create_with_key = |body: &Value| {
        app.post("/api/v1/roles")
            .bearer(&admin)
            .header("Idempotency-Key", "k")
            .json(body)
            .send()
    };
    let created = create_with_key(&editor()).expect(201);
    let replayed = create_with_key(&editor()).expect(201);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(replayed.body, created.body);
    create_with_key(&json!({"name": "Other", "rank": 1}))
        .expect_problem(422, "idempotency_key_reused");

    let old_etag = created.header("etag").to_owned();
    let patch = |etag: &str, rank: usize| {
        app.patch("/api/v1/roles/Editor")
            .bearer(&admin)
            .header("If-Match", etag)
            .json(&json!({"rank": rank}))
            .send()
    };
    patch(&old_etag, 21).expect(200);
    patch(&old_etag, 22).expect_problem(412, "precondition_failed");
    let stale = app
        .delete("/api/v1/roles/Editor")
        .bearer(&admin)
        .header("If-Match", &old_etag)
        .send();
    stale.expect_problem(412, "precondition_failed");
    let current = app
        .get("/api/v1/roles/Editor")
        .bearer(&admin)
        .send()
        .header("etag")
        .to_owned();
    let not_modified = app
        .get("/api/v1/roles/Editor")
        .bearer(&admin)
        .header("If-None-Match", &current)
        .send();
    not_modified.expect(304);

    for round in 0..20 {
        let current = app
            .get("/api/v1/roles/Editor")
            .bearer(&admin)
            .send()
            .header("etag")
            .to_owned();
        let statuses: Vec<u16> =
            run_concurrently(8, |index| patch(&current, 30 + 8 * round + index).status);
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "{statuses:?}"
        );
        assert_eq!(
            statuses.iter().filter(|status| **status == 412).count(),
            7,
            "{statuses:?}"
        );
    }
}

#[test]
fn permission_cannot_be_unregistered_while_a_role_or_account_gets_it() {
    let app = TestApp::start();
    let other = app.start_replica();
    let admin = app.super_admin_token();
    create_role(&app, &admin, &editor()).expect(201);
    for round in 0..25 {
        let name = format!("assets.read{round}");
        app.post("/api/v1/permissions")
            .bearer(&admin)
            .json(&json!({"name": name}))
            .send()
            .expect(201);
        let statuses = run_concurrently(4, |index| {
            match index {
            0 => app.delete(&format!("/api/v1/permissions/{name}")).bearer(&admin).send().status,
            1 => update_role(&other, &admin, "Editor", &json!({"permissions": [name]})).status,
            2 => create_role(&other, &admin, &json!({"name": format!("Made{round}"), "rank": 1, "permissions": [name]})).status,
            _ => other
                .post("/api/v1/users")
                .bearer(&admin)
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
        assert_eq!(app.query_number(dangling), 0, "{statuses:?}");
    }
}

#[test]
fn role_cannot_be_deleted_or_renamed_while_an_account_gets_it() {
    let app = TestApp::start();
    let other = app.start_replica();
    let admin = app.super_admin_token();
    let ada = app.create_user("ada", "User", &[]);
    for round in 0..25 {
        create_role(&app, &admin, &json!({"name": "Passing", "rank": 1})).expect(201);
        let statuses = run_concurrently(4, |index| {
            match index {
            0 => app.delete("/api/v1/roles/Passing").bearer(&admin).send().status,
            1 => other.patch(&format!("/api/v1/users/{}", ada.id)).bearer(&admin).json(&json!({"role": "Passing"})).send().status,
            2 => update_role(&app, &admin, "Passing", &json!({"name": "Renamed"})).status,
            _ => other
                .post("/api/v1/users")
                .bearer(&admin)
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
