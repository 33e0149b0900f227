//! rosterd: a headless identity service.

pub mod audit;
pub mod auth;
pub mod config;
pub mod db;
pub mod error;
pub mod http;
pub mod ids;
pub mod metrics;
pub mod passwords;
pub mod roles;
pub mod schema;
pub mod secrets;
pub mod sessions;
pub mod telemetry;
pub mod users;
