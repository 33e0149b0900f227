//! OAuth 2.0 for programs: tokens for service clients and, in OAuth's words, the refreshing of sessions; asking about
//! tokens and revoking them; and what the service says of itself. RFC 6749, 6750, 7009, 7662, 8414, 9068.
//!
//! There is no authorization endpoint: people sign in at `/auth/login`. There is no RS256: RFC 9068 wants it supported, and
//! PKCS #1 v1.5 signatures are not to be used in new systems (OWASP ASVS 5.0, appendix C); tokens are signed with ES256.
//!
//! # Who may see and end what
//!
//! Every service client may ask about the access tokens and personal access tokens that it is shown: they are meant for the
//! apps behind. A refresh token is not, and an app that took one for an access token would let in whoever stole it: it is
//! answered as not active, but to a client that holds `sessions.read` and says `token_type_hint=refresh_token`.
//!
//! A service client ends its own access tokens and no others. Whoever holds a token of a session ends that session, by
//! saying `client_id=rosterd`, the public client that people sign in through. Personal access tokens have an endpoint of
//! their own.

mod credentials;
mod exchange;
mod form;
mod model;
mod policy;
mod refusal;
mod routes;
pub mod service;
mod wire;

pub use refusal::OAuthError;
pub use routes::routes;
