//! The audit log: who did what to whom, written in the transaction that does it; and how it is read.
//!
//! A row carries ids. What names a person (usernames, addresses, ip) stands beside it and goes when the person's
//! account is purged. Secrets are never written. A hash chain over the rows shows whether somebody changed them.

pub mod chain;
mod entry;
pub mod log;
pub mod service;
mod store;

pub use entry::{AuditEntry, Reason, Subject};
pub use log::routes;
pub use service::{fail, record, record_refused, refuse};
