//! Idempotent POST requests: the response is stored for 24 hours. A repeated request (same `Idempotency-Key`, caller and
//! body) gets the stored response and creates nothing.

pub mod service;
mod store;

pub use service::IdempotentRequest;
