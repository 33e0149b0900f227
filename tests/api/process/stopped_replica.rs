//! A replica that is stopped inside a transaction delays the others only until the server ends its transaction.

use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::json;

use crate::support::binary::ServiceProcess;
use crate::support::{Response, TestApp, TestUser, backend_pid, wait_until};

/// The lock of changes to roles and permissions.
const AUTHORITY_KEY: &str = "hashtextextended(current_schema() || ':authority', 0)";

/// Two replicas with the default timeouts, and so few connections that waiting writes would use all of them.
fn replica(app: &TestApp) -> ServiceProcess {
    let mut settings = app.binary_settings();
    for (name, text) in [
        ("ROSTERD_DB_ACQUIRE_MS", "2000"),
        ("ROSTERD_DB_POOL_SIZE", "2"),
        ("ROSTERD_LOG", "warn"),
    ] {
        settings.push((name.to_owned(), text.to_owned()));
    }
    ServiceProcess::start(&settings)
}

/// A transaction that locks the rows of these accounts until it is committed.
fn lock_account(app: &TestApp, user: &TestUser) -> PgConnection {
    let mut holder = app.sql();
    let lock = format!(
        "BEGIN; SELECT 1 FROM users WHERE id = '{}' FOR UPDATE",
        user.id
    );
    holder.batch_execute(&lock).unwrap();
    holder
}

/// The number of transactions that have the advisory lock and do nothing.
fn idle_holders(app: &TestApp) -> i64 {
    app.query_number(&format!(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted \
         AND (classid::bigint << 32 | objid::bigint) = {AUTHORITY_KEY} AND state = 'idle in transaction'"
    ))
}

/// Starts a change of the account's role on the replica, and stops the replica while its transaction has the lock. Returns the
/// request, which is answered when the replica continues.
fn stop_inside_transaction(
    app: &TestApp,
    replica: &ServiceProcess,
    token: &str,
    user: &TestUser,
) -> thread::JoinHandle<Response> {
    loop {
        let mut row = lock_account(app, user);
        let holder = backend_pid(&mut row);
        let request = replica
            .call("PATCH", &user.path(""))
            .bearer(token)
            .json(&json!({"role": "Admin"}));
        let request = thread::spawn(move || request.send());
        let blocked = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE {holder} = ANY (pg_blocking_pids(pid))"
        );
        wait_until(|| app.query_number(&blocked) == 1 || request.is_finished());
        replica.signal("-STOP");
        row.batch_execute("COMMIT").unwrap();
        for _ in 0..50 {
            if idle_holders(app) == 1 {
                return request;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // The machine was so slow that the transaction was over before the replica was stopped.
        replica.signal("-CONT");
        request.join().unwrap();
    }
}

/// Sends the request again, as clients do after a 503.
fn send_until_available(mut send: impl FnMut() -> Response) -> Response {
    for _ in 0..60 {
        let response = send();
        if response.status != 503 {
            return response;
        }
        assert!(!response.header("retry-after").is_empty());
        thread::sleep(Duration::from_millis(200));
    }
    panic!("503 for too long");
}

#[test]
fn reads_are_answered_while_all_writes_wait() {
    const WRITES: usize = 6;
    let app = TestApp::start_with(&[("ROSTERD_DB_POOL_SIZE", "2")]);
    let admin = app.super_admin_token();
    let users: Vec<TestUser> = (0..WRITES)
        .map(|number| app.create_user(&format!("user{number}"), "User", &[]))
        .collect();
    let mut holder = app.sql();
    let take_lock = format!("BEGIN; SELECT pg_advisory_xact_lock({AUTHORITY_KEY})");
    holder.batch_execute(&take_lock).unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    thread::scope(|scope| {
        let writes: Vec<_> = users
            .iter()
            .map(|user| {
                let (app, admin) = (&app, &admin);
                scope.spawn(move || {
                    app.patch(&user.path(""))
                        .bearer(admin)
                        .json(&json!({"role": "Admin"}))
                        .send()
                })
            })
            .collect();
        wait_until(|| app.query_number(waiting) == 1);
        for user in &users {
            app.get(&user.path("")).bearer(&admin).send().expect(200);
            let sessions = format!("/api/v1/sessions?userId={}", user.id);
            app.get(&sessions).bearer(&admin).send().expect(200);
        }
        assert!(writes.iter().all(|write| !write.is_finished()));
        holder.batch_execute("COMMIT").unwrap();
        for write in writes {
            write.join().unwrap().expect(200);
        }
    });
}

#[test]
fn stopped_replica_delays_others_only_until_the_server_ends_its_transaction() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(|name| app.create_user(name, "User", &[]));
    let [stopped, other] = [replica(&app), replica(&app)];
    let create_token = |user: &TestUser| {
        let response = app
            .post(&user.path("/tokens"))
            .bearer(&admin)
            .json(&json!({"name": "build", "permissions": []}))
            .send();
        response.expect(201).data()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut reads_during_the_lock = 0;
    for _ in 0..5 {
        let token = create_token(&eve);
        let request = stop_inside_transaction(&app, &stopped, &admin, &ada);
        let change_role = |role: &str| {
            other
                .call("PATCH", &bob.path(""))
                .bearer(&admin)
                .json(&json!({"role": role}))
                .send()
        };
        thread::scope(|scope| {
            // More writes than connections wait for the lock.
            let writes: Vec<_> = ["Admin", "User", "Admin"]
                .map(|role| scope.spawn(move || send_until_available(|| change_role(role))))
                .into();
            let revocation = other
                .call("DELETE", &eve.path(&format!("/tokens/{token}")))
                .bearer(&admin)
                .send();
            revocation.expect(204);
            for _ in 0..3 {
                other.get(&ada.path("")).bearer(&admin).send().expect(200);
                reads_during_the_lock += idle_holders(&app);
            }
            for write in writes {
                write.join().unwrap().expect(200);
            }
        });
        assert_eq!(idle_holders(&app), 0);
        stopped.signal("-CONT");
        let response = request.join().unwrap();
        assert!([200, 503].contains(&response.status), "{response:?}");
        send_until_available(|| stopped.get(&ada.path("")).bearer(&admin).send()).expect(200);
        app.execute("UPDATE users SET role = 'User' WHERE username IN ('ada', 'bob')");
        if reads_during_the_lock > 0 {
            return;
        }
    }
    panic!("no read was answered while the stopped replica had the lock");
}
