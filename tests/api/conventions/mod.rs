//! What all endpoints have in common on the wire.

mod idempotency;
mod openapi;
mod wire;
