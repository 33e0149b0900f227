//! Importing accounts from another system. Each line is one account with its own transaction, created by the service function
//! of the single request. A refused line does not affect the others. A username that exists is a conflict, so an interrupted
//! import can be repeated.

mod input;
mod model;
mod routes;
mod run;

pub use routes::routes;
