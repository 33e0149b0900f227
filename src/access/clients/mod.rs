//! Service clients: programs that act for themselves and not for an account (RFC 6749, section 4.4).
//!
//! A client has a name, a rank below that of its creator, its own permissions and one secret, which is shown once and stored
//! only as a digest. With the secret it gets access tokens at `/oauth/token`. Each access token belongs to a grant and is
//! valid as long as the grant exists. A new secret, disabling and deletion end all grants of a client at once. A client
//! remains when its creator is deleted. A client cannot manage itself.

mod credentials_grant;
mod input;
mod model;
mod policy;
mod routes;
mod secret_holder;
pub mod service;
mod store;

pub use model::{Client, ClientWithSecret};
pub use routes::routes;
pub use service::{ClientPatch, NewClient};
