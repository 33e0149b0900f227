//! Reset links: the holder of a link sets the password of an account, once, without knowing the old one.
//!
//! A token has 256 bits and is stored as a digest. It is derived from the id of its link by a keyed hash, so that a link that
//! is still unused can be sent again. An account has at most one, which becomes invalid when an administrator creates another, when the password or the email address changes, or when the account can't be used. A reset does not sign in, and
//! does not change the second factor. Every invalid token gets the same response.

mod lifetime;
mod model;
mod routes;
pub mod service;
mod store;

pub use lifetime::{InvalidLifetime, ResetLinkLifetime};
pub use model::ResetLink;
pub use routes::routes;
pub use service::LinkContext;
