//! Personal access tokens: programs use them to act for an account.
//!
//! A token has the form `rst_pat_` and 49 letters and digits ([`TokenKind`](crate::platform::crypto::TokenKind)) and contains
//! 256 random bits. It is shown once and stored only as a SHA-256 digest. It permits what both its own list and its account
//! permit at that moment, with the rank of the account. It ends when it expires or is revoked, and when its account is
//! disabled, deleted or expires, or when its password is reset or removed; it is not restored with the account. Operations on
//! the owner's password, tokens, second factor, sessions and email address reject tokens.

mod input;
mod limits;
mod model;
mod own_tokens;
mod routes;
pub mod service;
mod store;
pub mod token_admin;

pub use input::NewToken;
pub use model::{PersonalToken, TokenWithSecret};
pub use routes::routes;
pub use service::PersonalTokens;
