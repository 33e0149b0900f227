//! Technical building blocks without knowledge of the domain: HTTP, database, configuration, cryptography, logs, metrics.

pub mod clock;
pub mod config;
pub mod crypto;
pub mod data_source;
pub mod db;
pub mod error;
pub mod http;
pub mod ids;
pub mod metrics;
pub mod passwd_file;
pub mod private_file;
pub mod resource_name;
pub mod start_error;
pub mod telemetry;
pub mod timestamp;
pub mod tls;
