//! Whether the service lives and is ready, and the public half of its signing keys: what machines ask without a token.

mod routes;

pub use routes::routes;
