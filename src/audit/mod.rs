//! The audit log: who did what to which resource. Entries are written in the transaction of the action.
//!
//! An event row holds ids only. Personal data (usernames, email and IP addresses) is in a side table and is deleted when the
//! account is purged. Secrets are never stored. A hash chain over the rows makes tampering detectable.

pub mod chain;
mod diff;
mod entry;
pub mod log;
pub mod service;
mod store;

pub use diff::FieldDiff;
pub use entry::{AuditEntry, SignInFailureReason, Subject};
pub use log::routes;
pub use service::{deny, deny_if_forbidden, record, record_denied};
