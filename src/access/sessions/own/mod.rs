//! One's own sessions: what everybody who signed in may see and end, without any permission.

mod routes;
pub mod service;

pub use routes::routes;
