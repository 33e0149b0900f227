//! How an account proves itself, as others change it: its password and its sessions.

mod routes;
pub mod service;

pub use routes::routes;
