//! Lists of accounts: filters, orders and pages by key. How a list is asked for is in `rules`, how it is found in `store`.

mod policy;
mod routes;
pub mod service;
mod store;

pub use policy::{Filter, Sort};
pub use routes::routes;
