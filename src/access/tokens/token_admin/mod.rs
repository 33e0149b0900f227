//! Tokens of other accounts. A new token lets the caller act as the account, so creating one has the same rules as setting
//! the account's password.

mod routes;
pub mod service;

pub use routes::routes;
