//! Authentication and authorization: who is calling, and what they are allowed to do.

pub mod actor;
pub mod authentication;
pub mod clients;
pub mod forward_auth;
pub mod oauth;
pub mod password_check;
pub mod passwords;
pub mod peppers;
pub mod rate_limit;
pub mod replicas;
pub mod revocation_feed;
pub mod sessions;
pub mod signing_keys;
pub mod tokens;
