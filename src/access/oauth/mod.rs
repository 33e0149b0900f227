//! OAuth 2.0: tokens for service clients, refresh of sessions, token introspection and revocation, and the authorization
//! server metadata. RFC 6749, 6750, 7009, 7662, 8414, 9068.
//!
//! There is no authorization endpoint: users sign in at `/auth/login`. RFC 9068 requires support for RS256, but PKCS #1 v1.5
//! signatures must not be used in new systems (OWASP ASVS 5.0, appendix C), so tokens are signed with ES256.
//!
//! # Introspection and revocation
//!
//! Every service client may introspect access tokens and personal access tokens, because they are meant for the apps behind
//! this service. A refresh token is not meant for them: an app that accepts it as an access token accepts a stolen one too.
//! Introspection reports it as inactive, except to a client that holds `sessions.read` and sends
//! `token_type_hint=refresh_token`.
//!
//! A service client may revoke only its own access tokens. With `client_id=rosterd`, the public client for user sign-in,
//! the holder of a session's token ends that session. Personal access tokens have their own endpoint.

mod credentials;
mod endpoints;
mod error;
mod form;
mod model;
mod policy;
mod response;
mod routes;
pub mod service;

pub use error::OAuthErrorBody;
pub use routes::routes;
