//! Who is calling, and what they may: actors, the proof [`Can`] of a permission, access tokens and the keys that sign them.
//!
//! A handler says what it needs by its first parameter; `identify` finds out who is calling before the handler runs.
//! Signing in is the business of `sessions`.

mod access_token;
mod actor;
mod can;
pub mod identify;
pub mod keys;
mod listener;
pub mod memory;
mod principal;
pub mod service;
mod store;

pub use access_token::{Claims, FIRST_PARTY, Issuer};
pub use actor::{Actor, Origin, Standing, Who};
pub use can::{Can, CanAny, Known, Need, NeedAny, SignedIn, needs};
pub use listener::listen;
pub use memory::{Credential, Memory};
pub use principal::Principal;
