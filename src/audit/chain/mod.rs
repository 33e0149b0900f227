//! The hash chain over the audit log: sealed in the background, verified by the operator, shortened from its oldest end.
//!
//! Each row's hash covers the hash before it and the row's ids and facts; words about people are outside, for a purge
//! removes them. Each hash is also signed under `ROSTERD_SECRET_KEY`. What the chain can't show is that its newest rows
//! were cut off together with all that points to them: for that, compare with a head that was noted down elsewhere.

mod policy;
pub mod service;
mod store;

pub use policy::{Fault, Head, Wrong};
pub use service::{Report, Sound};
