//! Personal access tokens: what a program acts with for an account.
//!
//! A token looks like `rst_pat_` and 49 letters and digits ([`TokenKind`](crate::platform::crypto::TokenKind) says which). It has 256 bits, is
//! shown once, and is stored only as its SHA-256 digest. It gives what is in its own list *and* its account holds at that
//! moment; its rank is the account's. It ends when it expires or is revoked, and when its account is disabled, deleted or
//! expires; then it is gone, also when the account comes back. What belongs to the account's owner in person (password,
//! tokens, second factor, sessions, address) no token is good for.

mod input;
mod model;
pub mod others;
mod own;
mod policy;
mod routes;
pub mod service;
mod store;

pub use input::NewToken;
pub use model::{PersonalToken, TokenWithSecret};
pub use routes::routes;
