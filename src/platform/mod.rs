//! Building blocks that know nothing of accounts: HTTP, the database, configuration, cryptography, logs and metrics.

pub mod config;
pub mod crypto;
pub mod data_source;
pub mod db;
pub mod display_name;
pub mod error;
pub mod http;
pub mod ids;
pub mod metrics;
pub mod start_error;
pub mod telemetry;
