//! The peppers of password hashes, stored in the database and encrypted with `ROSTERD_SECRET_KEY`. They are random and not
//! derived from that key, so that it can be rotated. Without `ROSTERD_PASSWORD_PEPPER`, existing peppers only verify hashes.

pub mod service;
mod store;
