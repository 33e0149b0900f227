//! Authentication of requests: access tokens, the cache of resolved callers, and the proof [`Can`] of a permission.
//!
//! `middleware` identifies the caller before the handler runs. The first parameter of a handler states which permission it
//! needs.

mod access_token;
mod access_token_claims;
mod access_token_keys;
mod audience;
mod cache;
mod can;
mod credential;
mod delivery_proof;
mod listener;
pub mod middleware;
mod outcome;
mod read_model;
pub mod resolve;
pub mod row_locks;

pub use access_token::{FIRST_PARTY_CLIENT_ID, SessionTokenContent, TokenIssuer};
pub use access_token_claims::AccessTokenClaims;
pub use access_token_keys::{AccessTokenKeyPair, KeySet};
pub use audience::{Audience, Audiences, invalid_target};
pub use cache::AuthCache;
pub use can::{AuthenticatedCaller, Can, CanAny, Need, NeedAny, SignedIn, TokenHolder, needs};
pub use credential::{Credential, ResolvedCaller};
pub use delivery_proof::DeliveryProof;
pub use listener::{KeyReload, NotificationSource, listen};
