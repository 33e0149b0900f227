//! One's own account: what everybody who signed in may see and do, without any permission.

mod routes;
pub mod service;

pub use routes::routes;
