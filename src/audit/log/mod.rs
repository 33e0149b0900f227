//! Reading the audit log: what was done, and who tried to sign in. It needs `audit.read` and shows everything, whatever
//! the rank of those it is about; nothing is written here.

mod model;
mod policy;
mod routes;
pub mod service;
mod store;

pub use model::{AuditEvent, Outcome, SignInAttempt, SignInOutcome};
pub use policy::{ActionFilter, ByWhom, Filter, Position};
pub use routes::routes;
