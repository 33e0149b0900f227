//! Reading the audit log: what was done, and who tried to sign in. It needs `audit.read` and shows everything, whatever
//! the rank of those it is about; nothing is written here.

mod model;
mod routes;
mod rules;
pub mod service;
mod store;

pub use model::{AuditEvent, Outcome, SignInAttempt, SignInOutcome};
pub use routes::routes;
pub use rules::{ActionFilter, ByWhom, Filter, Position};
