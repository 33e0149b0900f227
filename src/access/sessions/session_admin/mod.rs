//! The sessions of all accounts, for administrators. Callers only see and end the sessions of accounts that they rank above,
//! because a session shows the address and the times at which its user is active.

mod routes;
pub mod service;

pub use routes::routes;
