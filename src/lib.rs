//! rosterd: a headless identity service.

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
