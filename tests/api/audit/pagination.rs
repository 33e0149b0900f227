//! Pagination of the audit lists.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection;
use serde_json::Value;

use crate::support::TestApp;

use super::{EVENTS, LOGINS, create_reader};

#[test]
fn event_pages_are_complete_and_report_the_total() {
    let app = TestApp::start();
    let (_, token) = app.create_signed_in_user("Admin", &[]);
    let ada = app.create_user("ada", "User", &[]);
    for number in 0..7 {
        app.put(&ada.path(&format!("/tags/tag{number}")))
            .bearer(&token)
            .send()
            .expect(200);
    }
    // All rows get the same time, so that only the id decides their order across pages.
    app.execute("UPDATE audit_events SET at = '2026-01-01' WHERE action = 'user.tag'");
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{EVENTS}?user=ada&limit=3&count=true{cursor}");
        let response = app.get(&path).bearer(&token).send().expect(200);
        assert_eq!(response.body["page"]["total"], 7);
        entries.extend(
            response
                .data()
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["id"].to_string()),
        );
        match response.body["page"]["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let distinct: BTreeSet<&String> = entries.iter().collect();
    assert_eq!((entries.len(), distinct.len()), (7, 7));
    let other = format!("{EVENTS}?user=grace&limit=3{cursor}");
    app.get(&other)
        .bearer(&token)
        .send()
        .expect_field_error("?cursor", "invalid_cursor");
    let other = format!("{LOGINS}?user=ada&limit=3{cursor}");
    app.get(&other)
        .bearer(&token)
        .send()
        .expect_field_error("?cursor", "invalid_cursor");
}

/// Rows are written at about 1,000 per second, in transactions that commit late and out of order.
// SECURITY: J06
#[test]
fn event_pages_have_no_gap_or_duplicate_during_writes() {
    let app = TestApp::start();
    let (_, token) = create_reader(&app);
    let insert_rows = |conn: &mut diesel::pg::PgConnection, action: &str, rows: u32| {
        let sql = format!(
            "BEGIN; INSERT INTO audit_events (id, at, actor_kind, action, outcome) \
             SELECT gen_random_uuid(), clock_timestamp() - interval '10 ms' * random(), 'system', '{action}', 'done' \
             FROM generate_series(1, {rows}); SELECT pg_sleep(0.02 * random()); COMMIT"
        );
        conn.batch_execute(&sql).unwrap();
    };
    insert_rows(&mut app.sql(), "test.before", 3000);
    let is_finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut conn = app.sql();
                while !is_finished.load(Ordering::Relaxed) {
                    insert_rows(&mut conn, "test.during", 15);
                }
            });
        }
        for _ in 0..3 {
            let mut entries: Vec<Value> = Vec::new();
            let mut next = Some(String::new());
            while let Some(cursor) = next {
                let response = app
                    .get(&format!("{EVENTS}?limit=200{cursor}"))
                    .bearer(&token)
                    .send();
                let response = response.expect(200);
                entries.extend(response.data().as_array().unwrap().iter().cloned());
                next = response.body["page"]["next"]
                    .as_str()
                    .map(|next| format!("&cursor={next}"));
            }
            let entry_times: Vec<&str> = entries
                .iter()
                .map(|entry| entry["atUtc"].as_str().unwrap())
                .collect();
            assert!(entry_times.is_sorted_by(|newer, older| {
                let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
                time(newer) >= time(older)
            }));
            let distinct: BTreeSet<&str> = entries
                .iter()
                .map(|entry| entry["id"].as_str().unwrap())
                .collect();
            assert_eq!(distinct.len(), entries.len(), "no entry is repeated");
            let before = entries
                .iter()
                .filter(|entry| entry["action"] == "test.before")
                .count();
            assert_eq!(before, 3000, "all rows that existed before the first page");
        }
        is_finished.store(true, Ordering::Relaxed);
    });
    assert!(app.query_number("SELECT count(*) FROM audit_events WHERE action = 'test.during'") > 0);
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    app.get(EVENTS)
        .bearer(&powerless)
        .send()
        .expect_problem(403, "permission_required");
}
