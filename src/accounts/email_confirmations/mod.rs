//! Confirming an email address: whoever brings the token that was mailed there has shown that its mail reaches them.
//!
//! A token has 256 bits, is stored only as its digest, is good once and for one address: when the account has another by
//! then, it is good for nothing. Sign-in and reset by email need a confirmed address.

mod routes;
pub mod service;
mod store;

pub use routes::routes;
