//! Puts the service together: the mounted routes, start-up, the HTTP server, background jobs and the OpenAPI document.
//! It contains no domain logic.

mod background_jobs;
mod bootstrap_super_admin;
mod cors;
mod database_metrics;
pub mod health;
mod housekeeping;
mod http_server;
mod lifecycle;
mod link_pages;
mod listeners;
mod open_files;
pub mod openapi;
mod replica_settings;
mod routes;
mod service_manager;
mod service_metrics;
mod shutdown_signals;
mod signing_key_reload;
mod startup;

pub use bootstrap_super_admin::GeneratedSuperAdmin;
pub use housekeeping::Housekeeping;
pub use http_server::start_http_server;
pub use lifecycle::run;
pub use service_metrics::as_metric;
pub use startup::{build_app_state, build_passwords, connect_database, start_workers};
