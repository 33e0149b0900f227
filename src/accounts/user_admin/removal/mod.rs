//! Deleting, purging and restoring accounts. A deleted account keeps its name and can be restored; a purged one is removed
//! with all personal data.

mod routes;
pub mod service;

pub use routes::routes;
