//! `PATCH /api/v1/clients/{id}`: a client gets more authority only from the credential that its secret was shown to.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Response, TestApp, TestUser};

/// What happens to the password of a user with this session.
type Change<'a> = &'a dyn Fn(&TestUser, &str);

const CLIENTS: &str = "/api/v1/clients";
const NEW_PASSWORD: &str = "nine purple umbrellas in june";
const MANAGER: [&str; 2] = ["clients.manage", "users.read"];

/// The path of a new client that the caller created with these permissions, and the client.
fn create(app: &TestApp, caller: &str, name: &str, permissions: &[&str]) -> (String, Value) {
    let body = json!({"name": name, "permissions": permissions});
    let created = app.post(CLIENTS).bearer(caller).json(&body).send();
    let client = created.expect(201).data().clone();
    (
        format!("{CLIENTS}/{}", client["id"].as_str().unwrap()),
        client,
    )
}

fn raise(app: &TestApp, caller: &str, path: &str) -> Response {
    let more = json!({"permissions": ["users.read"]});
    app.patch(path).bearer(caller).json(&more).send()
}

#[track_caller]
fn assert_raise_needs_rotation(app: &TestApp, caller: &str, path: &str) {
    raise(app, caller, path).expect_problem(409, "client_secret_known");
    let rotate = format!("{path}/rotate-secret");
    app.post(&rotate).bearer(caller).send().expect(200);
    raise(app, caller, path).expect(200);
}

fn client_token(app: &TestApp, client: &Value) -> String {
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client["clientId"].as_str().unwrap(),
        client["clientSecret"].as_str().unwrap()
    );
    let form = "application/x-www-form-urlencoded";
    let issued = app
        .post("/api/v1/oauth/token")
        .body(form, body)
        .send()
        .expect(200);
    issued.body["access_token"].as_str().unwrap().to_owned()
}

fn personal_token(app: &TestApp, session: &str) -> (String, String) {
    let body = json!({"name": "script", "permissions": MANAGER});
    let created = app
        .post("/api/v1/auth/tokens")
        .bearer(session)
        .json(&body)
        .send();
    let token = created.expect(201).data().clone();
    let text = |name: &str| token[name].as_str().unwrap().to_owned();
    (text("token"), format!("/api/v1/auth/tokens/{}", text("id")))
}

fn change_password(app: &TestApp, session: &str) {
    app.post("/api/v1/auth/change-password")
        .bearer(session)
        .json(&json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}))
        .send()
        .expect(204);
}

fn set_role(app: &TestApp, user: &TestUser, role: &str) {
    let super_admin = app.super_admin_token();
    let body = json!({"role": role});
    let patch = app.patch(&user.path("")).bearer(&super_admin).json(&body);
    patch.send().expect(200);
}

#[test]
fn client_gets_more_authority_only_from_who_knows_its_secret() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (creator, token) = app.create_signed_in_user("User", &MANAGER);
    let (path, _) = create(&app, &token, "job", &[]);
    let change = |body: &Value| app.patch(&path).bearer(&super_admin).json(body).send();
    raise(&app, &token, &path).expect(200);
    for more in [
        json!({"permissions": ["users.read", "users.update"]}),
        json!({"rank": 1}),
    ] {
        change(&more).expect_problem(409, "client_secret_known");
    }
    // Less authority needs no new secret.
    change(&json!({"name": "daily job", "permissions": []})).expect(200);
    // The creator may have this permission now, but may lose it later.
    raise(&app, &super_admin, &path).expect_problem(409, "client_secret_known");
    app.delete(&creator.path(""))
        .bearer(&super_admin)
        .send()
        .expect(204);
    assert_raise_needs_rotation(&app, &super_admin, &path);
    change(&json!({"permissions": ["users.update"], "rank": 1})).expect(200);

    // Another session of the same user, with the same password.
    let (user, session) = app.create_signed_in_user("User", &MANAGER);
    let (path, _) = create(&app, &session, "report", &[]);
    raise(&app, &app.token(&user.username), &path).expect(200);
}

#[test]
fn operator_may_raise_any_client_and_others_may_raise_a_client_of_the_operator() {
    let app = TestApp::start();
    let (_, session) = app.create_signed_in_user("User", &MANAGER);
    create(&app, &session, "job", &[]);
    app.cli()
        .run("clients mod job --permission users.read")
        .expect(0);
    let added = app.cli().run("clients add nightly --json").expect(0).json();
    let id = added["id"]
        .as_str()
        .or(added["data"]["id"].as_str())
        .unwrap();
    raise(&app, &session, &format!("{CLIENTS}/{id}")).expect(200);
}

/// Someone with the old password may have created the client.
// SECURITY: C02
#[test]
fn client_created_before_the_password_of_its_creator_changed_needs_a_new_secret() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let withdraw: [(&str, Change); 3] = [
        ("changed", &|_, session| change_password(&app, session)),
        ("set by another", &|user, _| {
            let set = app.post(&user.path("/reset-password")).bearer(&super_admin);
            set.json(&json!({"newPassword": NEW_PASSWORD}))
                .send()
                .expect(204);
        }),
        ("reset", &|user, _| {
            let link = app.post(&user.path("/password-reset-link"));
            let link = link.bearer(&super_admin).send().expect(201);
            let body = json!({"token": link.data()["token"], "newPassword": NEW_PASSWORD});
            app.post("/api/v1/auth/reset-password")
                .json(&body)
                .send()
                .expect(204);
        }),
    ];
    for (what, withdraw) in withdraw {
        let (user, session) = app.create_signed_in_user("User", &MANAGER);
        let (path, _) = create(&app, &session, what, &[]);
        withdraw(&user, &session);
        let body = json!({"username": user.username, "password": NEW_PASSWORD});
        let signed_in = app
            .post("/api/v1/auth/login")
            .json(&body)
            .send()
            .expect(200);
        let session = signed_in.data()["accessToken"].as_str().unwrap();
        assert_raise_needs_rotation(&app, session, &path);
    }
}

/// Someone who could manage the account before the promotion may have created the client.
#[test]
fn client_created_before_a_promotion_of_its_creator_needs_a_new_secret() {
    let app = TestApp::start();
    let (user, session) = app.create_signed_in_user("User", &MANAGER);
    let (path, _) = create(&app, &session, "job", &[]);
    set_role(&app, &user, "Admin");
    assert_raise_needs_rotation(&app, &app.token(&user.username), &path);
    // No one else can raise it while its creator has more authority for a time.
    let super_admin = app.super_admin_token();
    let more = json!({"permissions": ["users.read", "users.update"]});
    let change = app.patch(&path).bearer(&super_admin).json(&more).send();
    change.expect_problem(409, "client_secret_known");
}

// SECURITY: C02
#[test]
fn client_created_with_a_personal_token_needs_a_new_secret_unless_the_token_raises_it() {
    let app = TestApp::start();
    let (_, session) = app.create_signed_in_user("User", &MANAGER);
    let (token, token_path) = personal_token(&app, &session);
    let (other, _) = personal_token(&app, &session);
    let (first, _) = create(&app, &token, "first", &[]);
    let (second, _) = create(&app, &token, "second", &[]);
    raise(&app, &token, &first).expect(200);
    raise(&app, &other, &second).expect_problem(409, "client_secret_known");
    app.delete(&token_path).bearer(&session).send().expect(204);
    assert_raise_needs_rotation(&app, &session, &second);
    // A token of the user doesn't know what a session of the user was shown.
    let (third, _) = create(&app, &session, "third", &[]);
    assert_raise_needs_rotation(&app, &other, &third);
}

/// The secret of the creating client may have been known to others until it was rotated.
// SECURITY: C02
#[test]
fn client_created_by_a_client_needs_a_new_secret_after_that_of_its_creator_was_rotated() {
    let app = TestApp::start();
    let super_admin = app.super_admin_token();
    let (path, parent) = create(&app, &super_admin, "parent", &MANAGER);
    let (first, _) = create(&app, &client_token(&app, &parent), "first", &[]);
    let (second, _) = create(&app, &client_token(&app, &parent), "second", &[]);
    raise(&app, &client_token(&app, &parent), &first).expect(200);
    let rotate = format!("{path}/rotate-secret");
    let rotated = app.post(&rotate).bearer(&super_admin).send().expect(200);
    assert_raise_needs_rotation(&app, &client_token(&app, rotated.data()), &second);
}
