//! Reset links: whoever holds one sets the password of an account, once, without knowing the old one.
//!
//! A token has 256 bits and is stored only as its digest. An account has at most one, and it ends when another is made,
//! when the password or the address changes, and when the account does. It signs nobody in and leaves a second factor
//! as it is. Every token that is not good gets one and the same answer.

mod model;
mod policy;
mod routes;
pub mod service;
mod store;

pub use model::ResetLink;
pub use policy::{BadLifetime, Lifetime};
pub use routes::routes;
