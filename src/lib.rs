//! rosterd: a headless identity service.

pub mod passwords;
