//! Attacks on memory, connections and the framing of requests, against the real binary.

mod connections;
mod exhaustion;
mod request_smuggling;

const ME: &str = "/api/v1/auth/me";
