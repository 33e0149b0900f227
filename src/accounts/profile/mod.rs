//! The caller's own account: what every signed-in user may see and do without a permission.

mod routes;
pub mod service;

pub use routes::routes;
