//! Service clients: programs that act for themselves and not for an account (RFC 6749, section 4.4).
//!
//! A client has a name, a rank below its maker's, permissions of its own and one secret, which is shown once and stored
//! only as its digest. With the secret it gets access tokens at `/oauth/token`; each of them stands for a grant, and is
//! good for as long as that is there. What ends all grants at once: another secret, switching the client off, deleting
//! it. Whoever made it may go; it stays until somebody who may ends it. It manages no client that it is itself.

mod credentials_grant;
mod input;
mod model;
mod policy;
mod routes;
pub mod service;
mod store;

pub use model::{Client, ClientWithSecret};
pub use routes::routes;
pub use service::{ClientPatch, NewClient};
