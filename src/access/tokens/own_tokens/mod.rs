//! The caller's own tokens. Managing them needs a session, but no permission.

mod routes;
pub mod service;

pub use routes::routes;
