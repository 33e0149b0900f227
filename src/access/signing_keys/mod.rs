//! The keys that sign access tokens. They are stored in the database, encrypted with `ROSTERD_SECRET_KEY`.
//!
//! A new key is published for [`service::PUBLICATION_LEAD`] before it signs, so that verifiers that cache the JWK set have it
//! by then. The previous key is published, and accepted, until its last token has expired.

pub mod service;
mod store;
