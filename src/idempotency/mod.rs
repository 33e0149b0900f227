//! Answers kept for 24 hours, so that a creating request that is sent again (same `Idempotency-Key`, same caller, same
//! body) gets the first answer and makes nothing twice.

pub mod service;
mod store;

pub use service::{Ask, once};
