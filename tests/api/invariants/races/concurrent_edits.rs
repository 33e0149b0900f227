//! Concurrent changes of one account, and of the permission catalogue.

use serde_json::json;

use super::{USERS, count_status, set_permissions};
use crate::support::{TestApp, run_concurrently};

// SECURITY: H18
#[test]
fn fifty_concurrent_edits_with_the_same_etag_apply_one() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    for round in 0..20 {
        let etag = app
            .get(&user.path(""))
            .bearer(&admin)
            .send()
            .expect(200)
            .header("etag")
            .to_owned();
        let responses = run_concurrently(50, |index| {
            app.patch(&user.path(""))
                .bearer(&admin)
                .header("If-Match", &etag)
                .json(&json!({"displayName": format!("{round}-{index}")}))
                .send()
        });
        assert_eq!(
            (count_status(&responses, 200), count_status(&responses, 412)),
            (1, 49)
        );
        let winner = responses
            .iter()
            .find(|response| response.status == 200)
            .unwrap();
        assert_eq!(
            app.get(&user.path("")).bearer(&admin).send().body,
            winner.body
        );
    }
}

#[test]
fn concurrent_edits_of_different_fields_are_all_kept() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    for round in 0..20 {
        let responses = run_concurrently(8, |index| match index % 2 {
            0 => app
                .put(&user.path(&format!("/tags/t{index}")))
                .bearer(&admin)
                .send(),
            _ => app
                .patch(&user.path(""))
                .bearer(&admin)
                .json(&json!({"attributes": {format!("a{index}"): round}}))
                .send(),
        });
        assert_eq!(count_status(&responses, 200), 8);
        let shown = app.get(&user.path("")).bearer(&admin).send().expect(200);
        assert_eq!(shown.data()["tags"], json!(["t0", "t2", "t4", "t6"]));
        assert_eq!(
            shown.data()["attributes"],
            json!({"a1": round, "a3": round, "a5": round, "a7": round})
        );
        app.execute("UPDATE users SET tags = '{}', attributes = '{}', version = version + 1");
    }
}

#[test]
fn permission_cannot_be_unregistered_while_it_is_granted() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let user = app.create_user("ada", "User", &[]);
    let dangling = "SELECT count(*) FROM users u, unnest(u.permissions) name WHERE name NOT IN (SELECT name FROM permissions)";
    for round in 0..40 {
        let permission = json!({"name": "assets.read"});
        let registered = app
            .post("/api/v1/permissions")
            .bearer(&admin)
            .json(&permission)
            .send()
            .status;
        assert!([201, 409].contains(&registered));
        let responses = run_concurrently(3, |index| {
            match index {
            0 => set_permissions(&app, &admin, &user, &json!(["assets.read"])),
            1 => app.post(USERS).bearer(&admin)
                .json(&json!({"username": format!("made-{round}"), "role": "User", "permissions": ["assets.read"]})).send(),
            _ => app.delete("/api/v1/permissions/assets.read").bearer(&admin).send(),
        }
        });
        assert_eq!(
            app.query_number(dangling),
            0,
            "round {round}: {responses:?}"
        );
        let removed = responses[2].status == 204;
        assert!(
            [200, 400].contains(&responses[0].status) && [201, 400].contains(&responses[1].status),
            "{responses:?}"
        );
        assert_eq!(
            removed,
            responses[0].status == 400 && responses[1].status == 400,
            "{responses:?}"
        );
        app.execute("UPDATE users SET permissions = '{}', version = version + 1");
    }
}
