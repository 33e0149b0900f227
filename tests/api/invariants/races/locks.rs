//! What an operation locks: enough that the authority of its caller stays until the commit, and no more than the rows it needs.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::{Value, json};

use super::{NEW_PASSWORD, login};
use crate::support::{PASSWORD, TestApp, TestUser, backend_pid, wait_until};

/// The number of server processes that wait for a lock of this one.
fn blocked_by(app: &TestApp, pid: i64) -> i64 {
    app.query_number(&format!(
        "SELECT count(*) FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid))"
    ))
}

/// Takes a lock that an operation waits for when it writes its audit entry, after it has read the authority of its caller.
fn delay_audit_entries(app: &TestApp) -> PgConnection {
    let mut holder = app.sql();
    holder
        .batch_execute("BEGIN; LOCK TABLE audit_events IN SHARE MODE")
        .unwrap();
    holder
}

#[test]
fn authority_of_a_caller_is_not_changed_before_its_operation_commits() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    app.create_role("Manager", 100, &["users.read", "users.update"]);
    let target = app.create_user("target", "User", &[]);
    let (caller, token) = app.create_signed_in_user("Manager", &[]);
    let revocations = [
        ("POST", caller.path("/status"), json!({"isActive": false})),
        (
            "PATCH",
            "/api/v1/roles/Manager".to_owned(),
            json!({"permissions": []}),
        ),
        ("PATCH", caller.path(""), json!({"role": "User"})),
        ("DELETE", caller.path(""), json!({})),
        ("DELETE", caller.path("?purge=true"), json!({})),
    ];
    for (number, (method, path, body)) in revocations.iter().enumerate() {
        let mut holder = delay_audit_entries(&app);
        let holder_pid = i64::from(backend_pid(&mut holder));
        std::thread::scope(|scope| {
            let change = scope.spawn(|| {
                app.put(&target.path(&format!("/tags/tag{number}")))
                    .bearer(&token)
                    .send()
            });
            wait_until(|| blocked_by(&app, holder_pid) == 1);
            let pid = app.query_number(&format!(
                "SELECT pid FROM pg_stat_activity WHERE {holder_pid} = ANY (pg_blocking_pids(pid))"
            ));
            let revocation =
                scope.spawn(|| app.call(method, path).bearer(&admin).json(body).send());
            wait_until(|| blocked_by(&app, pid) == 1);
            holder.batch_execute("COMMIT").unwrap();
            change.join().unwrap().expect(200);
            let revoked = revocation.join().unwrap();
            assert!(revoked.status < 300, "{method} {path}: {}", revoked.text);
        });
        app.execute(
            "UPDATE users SET role = 'Manager', is_active = true, deleted_at = NULL WHERE username NOT IN ('target')
                 AND role IN ('User', 'Manager');
             UPDATE roles SET permissions = '{users.read,users.update}' WHERE name = 'Manager';
             UPDATE sessions SET ended_at = NULL, ended_reason = NULL",
        );
        if number + 1 < revocations.len() {
            wait_until(|| app.get(&target.path("")).bearer(&token).send().status == 200);
        }
    }
}

/// Creates a resource and returns it.
fn create(app: &TestApp, path: &str, token: &str, body: &Value) -> Value {
    let created = app.post(path).bearer(token).json(body).send();
    created.expect(201).data().clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn unrelated_operations_do_not_wait_for_a_change_of_roles_and_permissions() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let names = ["ada", "bob", "eve", "joe", "kim", "lea", "max"];
    let users = names.map(|name| app.create_user(name, "User", &[]));
    let [ada, bob, eve, joe, kim, lea, max] = &users;
    let token = json!({"name": "build", "permissions": []});
    let new_token = |user: &TestUser| {
        let created = create(&app, &user.path("/tokens"), &admin, &token);
        user.path(&format!("/tokens/{}", text(&created["id"])))
    };
    let client = json!({"name": "app", "permissions": []});
    let client = create(&app, "/api/v1/clients", &admin, &client);
    let client_path = format!("/api/v1/clients/{}", text(&client["id"]));
    let own = app.token("ada");
    let own_token = create(&app, "/api/v1/auth/tokens", &own, &token);
    let own_token_path = format!("/api/v1/auth/tokens/{}", text(&own_token["id"]));
    app.token("eve");
    let session = app.query_text(&format!(
        "SELECT id FROM sessions WHERE user_id = '{}' LIMIT 1",
        eve.id
    ));
    let link = create(&app, &max.path("/password-reset-link"), &admin, &json!({}));
    let password = json!({"newPassword": NEW_PASSWORD});
    let none = json!({});
    let requests = [
        ("DELETE", new_token(bob), &admin, none.clone()),
        (
            "DELETE",
            format!("/api/v1/sessions/{session}"),
            &admin,
            none.clone(),
        ),
        ("DELETE", eve.path("/sessions"), &admin, none.clone()),
        (
            "POST",
            joe.path("/status"),
            &admin,
            json!({"isActive": false}),
        ),
        ("DELETE", joe.path(""), &admin, none.clone()),
        ("POST", kim.path("/reset-password"), &admin, password),
        ("DELETE", kim.path("/password"), &admin, none.clone()),
        (
            "PATCH",
            lea.path(""),
            &admin,
            json!({"displayName": "Lea", "isActive": false}),
        ),
        ("PUT", lea.path("/tags/new"), &admin, none.clone()),
        ("DELETE", lea.path("?purge=true"), &admin, none.clone()),
        (
            "PATCH",
            client_path.clone(),
            &admin,
            json!({"isActive": false}),
        ),
        ("DELETE", client_path, &admin, none.clone()),
        ("DELETE", own_token_path, &own, none.clone()),
        (
            "PATCH",
            "/api/v1/auth/me".to_owned(),
            &own,
            json!({"displayName": "Ada"}),
        ),
        (
            "POST",
            "/api/v1/auth/change-password".to_owned(),
            &own,
            json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}),
        ),
        ("POST", "/api/v1/auth/logout".to_owned(), &own, none),
        (
            "POST",
            "/api/v1/auth/reset-password".to_owned(),
            &admin,
            json!({"token": link["token"], "newPassword": NEW_PASSWORD}),
        ),
    ];
    let mut holder = app.sql();
    holder
        .batch_execute(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':authority', 0))",
        )
        .unwrap();
    for (method, path, token, body) in &requests {
        let response = app.call(method, path).bearer(token).json(body).send();
        assert!(response.status < 300, "{method} {path}: {}", response.text);
    }
    login(&app, &ada.username, NEW_PASSWORD).expect(200);
    holder.batch_execute("COMMIT").unwrap();
}

/// Two accounts that change each other lock the same two rows.
#[test]
fn accounts_that_change_each_other_do_not_block_each_other() {
    let first_replica = TestApp::start();
    let apps = [&first_replica, &first_replica.start_replica()];
    let (first, first_token) = apps[0].create_signed_in_user("SuperAdmin", &[]);
    let (second, second_token) = apps[0].create_signed_in_user("SuperAdmin", &[]);
    let (users, tokens) = ([first, second], [first_token, second_token]);
    for round in 0..40 {
        let responses = crate::support::run_concurrently(4, |index| {
            let side = index % 2;
            apps[side]
                .put(&users[1 - side].path(&format!("/tags/t{}", (round + index) % 9)))
                .bearer(&tokens[side])
                .send()
        });
        for response in responses {
            response.expect(200);
        }
    }
}
