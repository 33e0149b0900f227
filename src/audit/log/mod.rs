//! Reading the audit log: all actions, and sign-in attempts. Requires `audit.read`, which gives access to all events,
//! whatever the rank of the accounts concerned. Nothing is written here.

mod filter;
mod model;
mod routes;
pub mod service;
mod store;

pub use filter::{ActionFilter, ActorFilter, AuditCursor, AuditFilter};
pub use model::{AuditEvent, Outcome, SignInAttempt, SignInOutcome};
pub use routes::routes;
