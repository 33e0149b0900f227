//! Lists of accounts: filters, orders and pages by key. How a list is asked for is in `rules`, how it is found in `store`.

mod routes;
mod rules;
pub mod service;
mod store;

pub use routes::routes;
pub use rules::{Filter, Sort};
