//! One's own tokens: for everybody who signed in, in person.

mod routes;
pub mod service;

pub use routes::routes;
