//! Unauthenticated endpoints for monitoring and token verification: liveness, readiness and the public signing keys.

mod routes;

pub use routes::routes;
