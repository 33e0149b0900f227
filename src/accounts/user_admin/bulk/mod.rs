//! The same act on many accounts. Each account is a transaction of its own, decided by the service function and the
//! permission of the single call; one that is refused says so and stops none of the others.

mod input;
mod policy;
mod routes;
pub mod service;

pub use policy::BulkAction;
pub use routes::routes;
