//! rosterd: a headless identity service.
