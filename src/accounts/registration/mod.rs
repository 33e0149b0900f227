//! Registration: people create their own account, if `ROSTERD_REGISTRATION` allows it.
//!
//! Registration does not sign in, and does not affect the caller's session. The response does not reveal whether an email
//! address is already used; only its owner is notified.

mod input;
mod policy;
mod routes;
pub mod service;

pub use routes::routes;
