//! Changing and deleting roles. Both can move the accounts of the role to another one, so this module is above `users`.

mod routes;
pub mod service;

pub use routes::routes;
