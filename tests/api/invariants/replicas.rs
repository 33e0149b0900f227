//! Two replicas on one database say the same, and a request over a bare socket is answered like any other.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{Answer, TestApp, User, eventually};

fn shown(app: &TestApp, user: &User, token: &str) -> Answer {
    app.get(&format!("/api/v1/users/{}", user.id))
        .by(token)
        .send()
        .expect(200)
}

#[test]
fn what_one_replica_changes_another_soon_sees() {
    let one = TestApp::start();
    let other = one.replica();
    let admin = one.super_admin();
    let (user, token) = one.someone("User", &["users.read"]);
    assert_eq!(
        shown(&other, &user, &token).data()["username"],
        user.username
    );

    let tag = format!("/api/v1/users/{}/tags/staff", user.id);
    one.put(&tag).by(&admin).send().expect(200);
    eventually(|| shown(&other, &user, &token).data()["tags"] == json!(["staff"]));
    other.delete(&tag).by(&admin).send().expect(200);
    eventually(|| shown(&one, &user, &token).data()["tags"] == json!([]));
    let tagged = "SELECT count(*) FROM audit_events WHERE action LIKE 'user.%'";
    assert_eq!(one.number(tagged), 2);

    one.execute(&format!("DELETE FROM users WHERE id = '{}'", user.id));
    let me = "/api/v1/auth/me";
    eventually(|| other.get(me).by(&token).send().status == 401);
}

#[test]
fn both_replicas_refuse_the_same_input() {
    let one = TestApp::start();
    let admin = one.super_admin();
    let body = json!({"username": "x", "role": "User"});
    for app in [&one.replica(), &one] {
        app.post("/api/v1/users")
            .by(&admin)
            .json(&body)
            .send()
            .expect_fault("/username", "too_short");
    }
}

#[test]
fn a_bare_socket_is_answered() {
    let app = TestApp::start();
    let mut socket = TcpStream::connect(app.addr).unwrap();
    socket
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn a_replica_that_has_ended_keeps_no_connection() {
    let app = TestApp::start();
    let listeners = "SELECT count(*) FROM pg_stat_activity \
                     WHERE application_name = 'rosterd listener in ' || current_schema()";
    eventually(|| app.number(listeners) == 1);
    let other = app.replica();
    eventually(|| app.number(listeners) == 2);
    drop(other);
    eventually(|| app.number(listeners) == 1);
}
