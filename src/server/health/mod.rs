//! Endpoints for machines, without authentication: liveness, readiness and the public signing keys.

mod routes;

pub use routes::routes;
