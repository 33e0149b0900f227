//! The audit log: who did what to whom, written in the transaction that does it.
//!
//! A row carries ids. What names a person (usernames, addresses, ip) stands beside it and goes when the person's
//! account is purged. Secrets are never written.

pub mod service;
mod store;

pub use service::{Act, Subject, fail, record, record_refused, refuse};
