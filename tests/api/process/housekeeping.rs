//! Housekeeping: expired rows are deleted in batches, and jobs do not depend on each other.

use std::time::SystemTime;

use rosterd::platform::metrics::Metrics;
use rosterd::server::Housekeeping;

use crate::support::TestApp;

const SOURCES: &str = "SELECT count(*) FROM rate_limit_sources";
const LINKS: &str = "SELECT count(*) FROM password_reset_tokens";

fn insert_expired_sources(app: &TestApp, count: u32) {
    app.execute(&format!(
        "INSERT INTO rate_limit_sources (source, quota_used, window_ends_at) \
         SELECT 'expired ' || number, 0, now() - interval '1 hour' FROM generate_series(1, {count}) AS number"
    ));
}

fn insert_expired_link(app: &TestApp) {
    app.create_user("ada", "User", &[]);
    app.execute(
        "INSERT INTO password_reset_tokens (user_id, digest, created_at, expires_at) \
         SELECT id, '\\x00', now() - interval '2 days', now() - interval '1 day' FROM users WHERE username = 'ada'",
    );
}

#[test]
fn expired_rows_are_deleted_in_batches_of_one_transaction_each() {
    let app = TestApp::start();
    app.execute(
        "CREATE TABLE deletions (xid bigint NOT NULL, count bigint NOT NULL); \
         CREATE FUNCTION record_deletion() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO deletions SELECT txid_current(), count(*) FROM deleted; RETURN NULL; END'; \
         CREATE TRIGGER record_deletion AFTER DELETE ON rate_limit_sources REFERENCING OLD TABLE AS deleted \
         FOR EACH STATEMENT EXECUTE FUNCTION record_deletion()",
    );
    insert_expired_sources(&app, 2_500);
    Housekeeping::of_expired_rows().run(&app.db()).unwrap();
    assert_eq!(app.query_number(SOURCES), 0);
    let deletions = "SELECT string_agg(count::text, ' ' ORDER BY xid) FROM deletions";
    assert_eq!(app.query_text(deletions), "1000 1000 500 0");
    let transactions = "SELECT count(DISTINCT xid) FROM deletions";
    assert_eq!(app.query_number(transactions), 4);
}

#[test]
fn failing_job_does_not_stop_the_others_and_its_lag_grows() {
    let app = TestApp::start();
    insert_expired_sources(&app, 1);
    insert_expired_link(&app);
    let jobs = Housekeeping::of_expired_rows();
    let metrics = Metrics::new(SystemTime::UNIX_EPOCH).unwrap();
    jobs.register_metrics(&metrics).unwrap();
    let lag = |job: &str| -> f64 {
        let text = metrics.render();
        let name = format!("rosterd_housekeeping_lag_seconds{{kind=\"{job}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap().parse().unwrap()
    };
    std::thread::sleep(std::time::Duration::from_millis(50));
    app.execute("ALTER TABLE rate_limit_sources RENAME TO hidden");
    assert!(jobs.run(&app.db()).is_err());
    assert_eq!(app.query_number(LINKS), 0);
    assert!(lag("rate limits") > lag("idempotency keys"));
    assert!(lag("rate limits") > lag("reset links"));
    app.execute("ALTER TABLE hidden RENAME TO rate_limit_sources");
    let before = lag("rate limits");
    jobs.run(&app.db()).unwrap();
    assert!(lag("rate limits") < before);
    assert_eq!(app.query_number(SOURCES), 0);
}
