//! Confirmation of email addresses: presenting the token that was sent to an address proves access to its mailbox.
//!
//! A token has 256 bits, is stored as a digest, and is valid once, for one account and one address. Sign-in and password
//! reset by email require a confirmed address. A new address of an account is [pending](pending_address) until it is confirmed.

pub mod pending_address;
mod routes;
pub mod service;
mod store;

pub use routes::routes;
