//! The credentials of an account, as administrators and owners change them: password, second factor, sessions.

mod routes;
pub mod service;

pub use routes::routes;
