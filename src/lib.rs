//! rosterd: a headless identity service.
//!
//! | module | content |
//! |---|---|
//! | [`platform`] | HTTP, database, configuration, cryptography, logs, metrics: no knowledge of the domain |
//! | [`access`] | authentication and authorization: actors, sessions, tokens, service clients, OAuth, passwords, rate limits |
//! | [`accounts`] | users, roles, invites, registration, own profile, email confirmation, password reset |
//! | [`audit`] | the audit log and its hash chain |
//! | [`mail`] | the mail outbox and the SMTP worker |
//! | [`idempotency`] | stored responses for repeated `POST` requests |
//! | [`app_state`] | the state that all request handlers share |
//! | [`server`] | start-up, mounted routes, HTTP server, background jobs, the OpenAPI document |
//! | [`cli`] | the command line: parses, calls the same service functions as the HTTP handlers, prints |
//! | `schema` | the tables, as diesel sees them; generated from the migrations |
//!
//! Dependencies point down one list of layers and contain no cycles:
//! `cli` → `server` → handlers and middleware → `app_state` → services of `accounts`, `access`, `mail` and `audit` → `platform`.
//! `docs/architecture.md` has the complete list of layers. `tests/api/invariants/structure` checks every file.
//!
//! A domain module consists of `routes.rs` (handlers), `service.rs` (use cases, one synchronous function each, in the
//! caller's transaction), `store.rs` (queries), and `policy.rs`, `input.rs` and `model.rs` (decisions and types without I/O).

pub mod access;
pub mod accounts;
pub mod app_state;
pub mod audit;
pub mod cli;
pub mod idempotency;
pub mod mail;
pub mod platform;
mod schema;
pub mod server;
