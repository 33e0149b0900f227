//! Bringing accounts from elsewhere: each line is an account, a transaction of its own, decided by the service function of
//! the single call. One that is refused says so and stops none of the others; what is there already is a conflict, so an
//! import that broke off is begun anew.

mod input;
mod model;
mod routes;

pub use routes::routes;
