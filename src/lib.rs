//! rosterd: a headless identity service.

pub mod error;
pub mod http;
pub mod ids;
pub mod db;
pub mod secrets;
pub mod schema;
