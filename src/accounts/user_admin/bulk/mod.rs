//! One action on many accounts. Each account has its own transaction and is changed by the service function of the single
//! request. A denied account does not affect the others.

mod action;
mod input;
mod routes;
pub mod service;

pub use action::BulkAction;
pub use routes::routes;
