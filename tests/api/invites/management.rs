//! Listing, showing and revoking invites.

use serde_json::{Value, json};

use crate::support::TestApp;

use super::{INVITES, create_invite, text};

#[test]
fn each_invite_operation_requires_its_permission() {
    let app = TestApp::start();
    let (_, powerless) = app.create_signed_in_user("User", &["users.create"]);
    let (_, reader) = app.create_signed_in_user("User", &["invites.read"]);
    let (_, inviter) = app.create_signed_in_user("User", &["invites.manage"]);
    let created = create_invite(&app, &inviter, &json!({})).expect(201);
    let path = format!("{INVITES}/{}", text(created.data(), "id"));
    for token in [&powerless, &reader] {
        create_invite(&app, token, &json!({})).expect_problem(403, "permission_required");
        app.delete(&path)
            .bearer(token)
            .send()
            .expect_problem(403, "permission_required");
    }
    for token in [&powerless, &inviter] {
        app.get(INVITES)
            .bearer(token)
            .send()
            .expect_problem(403, "permission_required");
        app.get(&path)
            .bearer(token)
            .send()
            .expect_problem(403, "permission_required");
    }
    app.get(INVITES).bearer(&reader).send().expect(200);
    app.post(INVITES)
        .json(&json!({}))
        .send()
        .expect_problem(401, "auth_required");
    app.get(INVITES).send().expect_problem(401, "auth_required");
}

#[test]
fn invite_list_is_newest_first_and_shows_the_state() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let ids: Vec<String> = (0..5)
        .map(|_| {
            text(
                create_invite(&app, &admin, &json!({"maxUses": 2}))
                    .expect(201)
                    .data(),
                "id",
            )
            .to_owned()
        })
        .collect();
    app.delete(&format!("{INVITES}/{}", ids[0]))
        .bearer(&admin)
        .send()
        .expect(204);
    app.execute(&format!(
        "UPDATE invites SET expires_at = now() WHERE id = '{}'",
        ids[1]
    ));
    app.execute(&format!(
        "UPDATE invites SET uses = 2 WHERE id = '{}'",
        ids[2]
    ));
    app.execute(&format!(
        "UPDATE invites SET created_by = NULL, uses = 1 WHERE id = '{}'",
        ids[3]
    ));

    let mut entries = Vec::new();
    let mut path = format!("{INVITES}?limit=2&count=true");
    loop {
        let page = app.get(&path).bearer(&admin).send().expect(200);
        assert_eq!(page.body["page"]["total"], 5);
        entries.extend(page.body["data"].as_array().unwrap().clone());
        match page.body["page"]["next"].as_str() {
            Some(cursor) => path = format!("{INVITES}?limit=2&count=true&cursor={cursor}"),
            None => break,
        }
    }
    let members = |member: &str| {
        entries
            .iter()
            .map(|invite| invite[member].clone())
            .collect::<Vec<_>>()
    };
    let newest_first: Vec<&String> = ids.iter().rev().collect();
    assert_eq!(json!(members("id")), json!(newest_first));
    assert_eq!(
        json!(members("state")),
        json!(["open", "open", "exhausted", "expired", "revoked"])
    );
    assert_eq!(json!(members("uses")), json!([0, 1, 2, 0, 0]));
    assert_eq!(entries[1]["madeBy"], Value::Null);
    app.get(&format!("{INVITES}?cursor=x"))
        .bearer(&admin)
        .send()
        .expect_field_error("?cursor", "invalid_cursor");
}

#[test]
fn revoking_an_invite_is_conditional_and_idempotent() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let created = create_invite(&app, &admin, &json!({"maxUses": 2})).expect(201);
    let secret = text(created.data(), "token").to_owned();
    let path = format!("{INVITES}/{}", text(created.data(), "id"));
    let tag = app
        .get(&path)
        .bearer(&admin)
        .send()
        .header("etag")
        .to_owned();
    // A use of the invite does not invalidate an ETag that was read before.
    app.execute("UPDATE invites SET uses = 1");
    assert_ne!(app.get(&path).bearer(&admin).send().header("etag"), tag);
    app.delete(&path)
        .bearer(&admin)
        .header("If-Match", &tag)
        .send()
        .expect(204);
    let stale = app
        .delete(&path)
        .bearer(&admin)
        .header("If-Match", &tag)
        .send();
    stale.expect_problem(412, "precondition_failed");
    let invite_response = app.get(&path).bearer(&admin).send().expect(200);
    assert_eq!(invite_response.data()["state"], "revoked");
    app.delete(&format!("{INVITES}/{secret}"))
        .bearer(&admin)
        .send()
        .expect(204);
    let repeated = app.get(&path).bearer(&admin).send().expect(200);
    assert_eq!(repeated.body, invite_response.body);
}

#[test]
fn invite_ends_with_the_personal_token_that_created_it() {
    let app = TestApp::start_with(&[("ROSTERD_REGISTRATION", "invite")]);
    let (_, admin) = app.create_signed_in_user("Admin", &[]);
    let body = json!({"name": "script", "permissions": ["invites.manage"]});
    let tokens = app.post("/api/v1/auth/tokens").bearer(&admin).json(&body);
    let token = tokens.send().expect(201);
    let invite = json!({"maxUses": 2});
    let invite = create_invite(&app, text(token.data(), "token"), &invite).expect(201);
    let register = |username: &str| {
        app.post("/api/v1/auth/register")
            .json(&json!({
                "username": username, "password": "nine purple umbrellas in june",
                "inviteToken": text(invite.data(), "token"),
            }))
            .send()
    };
    register("grace").expect(201);
    let path = format!("/api/v1/auth/tokens/{}", text(token.data(), "id"));
    app.delete(&path).bearer(&admin).send().expect(204);
    assert_eq!(register("eve").body["code"], "invite_invalid");
}

#[test]
fn invite_is_deleted_with_its_creator_role_or_addressee() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let (creator, token) = app.create_signed_in_user("Admin", &[]);
    create_invite(&app, &token, &json!({})).expect(201);
    app.delete(&format!("/api/v1/users/{}?purge=true", creator.id))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(app.query_number("SELECT count(*) FROM invites"), 0);

    let role = json!({"name": "Editor", "rank": 3});
    app.post("/api/v1/roles")
        .bearer(&admin)
        .json(&role)
        .send()
        .expect(201);
    let created = create_invite(&app, &admin, &json!({"role": "Editor"})).expect(201);
    let path = format!("{INVITES}/{}", text(created.data(), "id"));
    let renamed = json!({"name": "Writer"});
    app.patch("/api/v1/roles/Editor")
        .bearer(&admin)
        .json(&renamed)
        .send()
        .expect(200);
    assert_eq!(
        app.get(&path).bearer(&admin).send().data()["role"],
        "Writer"
    );
    app.delete("/api/v1/roles/Writer")
        .bearer(&admin)
        .send()
        .expect(204);
    app.get(&path)
        .bearer(&admin)
        .send()
        .expect_problem(404, "not_found");

    let ada = app.create_user("ada", "User", &[]);
    app.execute("UPDATE users SET email = 'Ada@example.org' WHERE username = 'ada'");
    create_invite(&app, &admin, &json!({"email": "ada@Example.org"})).expect(201);
    create_invite(&app, &admin, &json!({"email": "bob@example.org"})).expect(201);
    app.delete(&format!("/api/v1/users/{}?purge=true", ada.id))
        .bearer(&admin)
        .send()
        .expect(204);
    assert_eq!(app.query_number("SELECT count(*) FROM invites"), 1);
}
