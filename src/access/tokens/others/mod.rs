//! Other accounts' tokens. Whoever makes one can act as the account, so that takes as much as setting its password.

mod routes;
pub mod service;

pub use routes::routes;
