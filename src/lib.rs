//! rosterd: a headless identity service.

pub mod error;
pub mod http;
pub mod ids;
