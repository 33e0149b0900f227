//! What an account may, and whether it may anything at all: its direct grants and its active state.

mod routes;
pub mod service;

pub use routes::routes;
