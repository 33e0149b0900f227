//! The command line, tested with the `rosterd` binary.

mod audit;
mod auth;
mod bulk;
mod clients;
mod doctor;
mod env_file;
mod invites;
mod output_formats;
mod refusals;
mod roles;
mod secret_key;
mod short_flags;
mod terminal;
mod user_lookup;
mod users;

use crate::support::TestApp;

/// The number of audit rows with this action and outcome whose actor is the command line.
fn count_audit_rows(app: &TestApp, action: &str, outcome: &str) -> i64 {
    app.query_number(&format!(
        "SELECT count(*) FROM audit_events WHERE action = '{action}' AND outcome = '{outcome}' AND actor_kind = 'cli'"
    ))
}
