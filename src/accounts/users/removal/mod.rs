//! The end of an account: deleted, it keeps its name and can be brought back; purged, it is gone with every word about it.

mod routes;
pub mod service;

pub use routes::routes;
