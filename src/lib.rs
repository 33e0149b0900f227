//! rosterd: a headless identity service.

pub mod config;
pub mod error;
pub mod ids;
pub mod metrics;
pub mod telemetry;
