//! An account's direct grants and its active state.

mod routes;
pub mod service;

pub use routes::routes;
