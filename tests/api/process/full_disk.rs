//! A database server whose disk is full.

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::{Value, json};

use crate::support::binary::ServiceProcess;
use crate::support::postgres_server::PostgresServer;
use crate::support::small_file_system::SmallFileSystem;
use crate::support::{PASSWORD, Response, SECRET_KEY};

/// Fills the disk until no table can grow.
fn fill(conn: &mut PgConnection) {
    let create = "CREATE TABLE filler (text text); ALTER TABLE filler ALTER text SET STORAGE PLAIN";
    conn.batch_execute(create).unwrap();
    let insert = |rows: u32| {
        format!("INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, {rows})")
    };
    for rows in [1024, 128, 16, 1] {
        while conn.batch_execute(&insert(rows)).is_ok() {}
    }
}

fn create_user(service: &ServiceProcess, token: &str, number: u32) -> Response {
    let body = json!({"username": format!("user-{number}"), "role": "User", "attributes": {"note": "x".repeat(2000)}});
    let request = service.post("/api/v1/users").bearer(token);
    request.json(&body).send()
}

#[test]
fn writes_are_refused_with_storage_full_and_reads_go_on() {
    let Some(server) = PostgresServer::start(&[], &[]) else {
        return;
    };
    let directory = server.directory().join("small");
    let Some(_small) = SmallFileSystem::mount(&directory, 32 << 20) else {
        return;
    };
    let mut conn = server.connect();
    let create = format!("CREATE TABLESPACE small LOCATION '{}'", directory.display());
    conn.batch_execute(&create).unwrap();
    conn.batch_execute("ALTER DATABASE postgres SET default_tablespace = small")
        .unwrap();
    let settings = [
        ("DATABASE_URL", server.url().as_str()),
        ("ROSTERD_SECRET_KEY", SECRET_KEY),
        ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_USERNAME", "root-admin"),
        ("ROSTERD_BOOTSTRAP_SUPERADMIN_PASSWORD", PASSWORD),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let service = ServiceProcess::start(&settings);
    let credentials = json!({"username": "root-admin", "password": PASSWORD});
    let login = service.post("/api/v1/auth/login").json(&credentials).send();
    let token = login.expect(200).data()["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let readiness = |status: &str, degraded: Value| {
        let response = service.get("/readyz").send().expect(200);
        assert_eq!(response.data()["status"], status, "{}", response.text);
        assert_eq!(response.data()["degraded"], degraded, "{}", response.text);
    };
    create_user(&service, &token, 0).expect(201);
    readiness("ok", json!([]));

    fill(&mut server.connect());
    let refused = (1..200)
        .map(|number| create_user(&service, &token, number))
        .find(|response| response.status != 201)
        .unwrap();
    let refused = refused.expect_problem(503, "storage_full");
    assert_eq!(refused.header("retry-after"), "30");
    readiness("degraded", json!(["storage_full"]));
    for path in [
        "/api/v1/users",
        "/api/v1/auth/me",
        "/api/v1/roles",
        "/api/v1/audit/events",
    ] {
        service.get(path).bearer(&token).send().expect(200);
    }

    conn.batch_execute("DROP TABLE filler").unwrap();
    create_user(&service, &token, 200).expect(201);
}
