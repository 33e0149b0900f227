//! What the tests stand on: a real PostgreSQL, a schema for each test, the service on a port of its own, and a client
//! that reads like the calls it makes.

mod app;
mod call;
mod database;
mod operations;

pub use app::{PASSWORD, TestApp, User};
pub use call::{Answer, Call};
pub use database::Schema;
pub use operations::{Operation, document, operations};
