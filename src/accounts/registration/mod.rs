//! Registration: an account that somebody makes for themselves, if `ROSTERD_REGISTRATION` lets them.
//!
//! Nobody is signed in by it, and whoever is signed in already stays who they are. Whether an address is taken is told to
//! nobody but its owner.

mod input;
mod policy;
mod routes;
pub mod service;

pub use routes::routes;
