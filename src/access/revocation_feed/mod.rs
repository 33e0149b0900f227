//! The feed of what ended or changed before its access tokens did, for apps that verify tokens by themselves: with it they
//! refuse what this service refuses, without asking it about each token.
//!
//! Triggers write the feed. It is read in the order of transactions and only as far as no earlier one is still under way,
//! so whoever goes on from where they were misses nothing that commits late. What is older than any access token is
//! forgotten.

mod model;
mod routes;
pub mod service;
mod store;

pub use model::Revocation;
pub use routes::routes;
