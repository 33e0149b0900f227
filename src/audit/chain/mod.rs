//! The hash chain over the audit log: sealed in the background, verified by the operator, shortened at its oldest end.
//!
//! Each hash covers the previous hash and the event row, which contains salted hashes of its personal data: a purge erases
//! the data and the salts without breaking the chain. Each hash is authenticated with a MAC under `ROSTERD_SECRET_KEY`. The
//! chain alone cannot show that its newest rows were deleted together with their seals: to detect that, compare it with a head
//! that was recorded elsewhere.

mod hash_chain;
pub mod service;
mod store;

pub use hash_chain::{ChainHead, Tampering, TamperingKind};
pub use service::{ChainReport, ChainSummary};
