//! The caller's own sessions. Listing and ending them needs no permission.

mod routes;
pub mod service;

pub use routes::routes;
