//! The command line: the same acts as over HTTP, by the real program.

mod audit;
mod auth;
mod bulk;
mod clients;
mod doctor;
mod invites;
mod output_formats;
mod refusals;
mod roles;
mod terminal;
mod users;

use crate::support::TestApp;

/// How many rows the audit log has of this act by the operator, with this outcome.
fn audited(app: &TestApp, action: &str, outcome: &str) -> i64 {
    app.number(&format!(
        "SELECT count(*) FROM audit_events WHERE action = '{action}' AND outcome = '{outcome}' AND actor_kind = 'cli'"
    ))
}
