//! Lists of accounts: filters, sort orders and keyset pagination.

mod filter;
pub mod service;
mod store;

pub use filter::{UserFilter, UserListCursor, UserSort};
