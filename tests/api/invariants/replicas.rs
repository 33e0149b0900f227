//! Two replicas on one database, and a request over a plain socket.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{Response, TestApp, TestUser, wait_until};

fn get_user(app: &TestApp, user: &TestUser, token: &str) -> Response {
    app.get(&format!("/api/v1/users/{}", user.id))
        .bearer(token)
        .send()
        .expect(200)
}

#[test]
fn change_on_one_replica_is_visible_on_another() {
    let first = TestApp::start();
    let second = first.start_replica();
    let admin = first.super_admin_token();
    let (user, token) = first.create_signed_in_user("User", &["users.read"]);
    assert_eq!(
        get_user(&second, &user, &token).data()["username"],
        user.username
    );

    let tag = format!("/api/v1/users/{}/tags/staff", user.id);
    first.put(&tag).bearer(&admin).send().expect(200);
    wait_until(|| get_user(&second, &user, &token).data()["tags"] == json!(["staff"]));
    second.delete(&tag).bearer(&admin).send().expect(200);
    wait_until(|| get_user(&first, &user, &token).data()["tags"] == json!([]));
    let audit_rows = "SELECT count(*) FROM audit_events WHERE action LIKE 'user.%'";
    assert_eq!(first.query_number(audit_rows), 2);

    first.execute(&format!("DELETE FROM users WHERE id = '{}'", user.id));
    let me = "/api/v1/auth/me";
    wait_until(|| second.get(me).bearer(&token).send().status == 401);
}

#[test]
fn both_replicas_refuse_invalid_input() {
    let first = TestApp::start();
    let admin = first.super_admin_token();
    let body = json!({"username": "x", "role": "User"});
    for app in [&first.start_replica(), &first] {
        app.post("/api/v1/users")
            .bearer(&admin)
            .json(&body)
            .send()
            .expect_field_error("/username", "too_short");
    }
}

#[test]
fn request_over_a_plain_socket_is_answered() {
    let app = TestApp::start();
    let mut socket = TcpStream::connect(app.addr).unwrap();
    socket
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
}

#[test]
fn stopped_replica_closes_its_notification_connection() {
    let app = TestApp::start();
    let listeners = "SELECT count(*) FROM pg_stat_activity \
                     WHERE application_name = 'rosterd listener in ' || current_schema()";
    wait_until(|| app.query_number(listeners) == 1);
    let second = app.start_replica();
    wait_until(|| app.query_number(listeners) == 2);
    drop(second);
    wait_until(|| app.query_number(listeners) == 1);
}
