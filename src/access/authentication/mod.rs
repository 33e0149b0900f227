//! Who is calling, and what they may: actors, the proof [`Can`] of a permission, access tokens and the keys that sign them.
//!
//! A handler says what it needs by its first parameter; `identify` finds out who is calling before the handler runs.
//! Signing in is the business of `sessions`.

mod access_token;
mod actor;
pub mod cache;
mod can;
pub mod keys;
mod listener;
pub mod middleware;
mod principal;
pub mod resolve;
mod store;

pub use access_token::{Claims, FIRST_PARTY, Issuer};
pub use actor::{Actor, Authority, Identity, Origin};
pub use cache::{AuthCache, Credential};
pub use can::{AuthenticatedCaller, Can, CanAny, Need, NeedAny, SignedIn, needs};
pub use listener::listen;
pub use principal::Principal;
