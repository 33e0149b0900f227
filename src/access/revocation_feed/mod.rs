//! The revocation feed: what was revoked or changed while access tokens for it may still be valid. Apps that verify access
//! tokens offline follow the feed, so that they reject what this service rejects without a request per token.
//!
//! Database triggers write the feed. It is read in transaction order. An entry of a transaction that began after the oldest
//! one still in progress is delivered, but not passed: it is delivered again until it is certain that no earlier entry will
//! be committed. So a reader that continues from its last position does not miss entries that commit late, and does not wait
//! for open transactions. Entries older than the lifetime of an access token are deleted.

mod model;
mod position;
mod routes;
pub mod service;
mod store;

pub use model::Revocation;
pub use position::FeedPosition;
pub use routes::routes;
