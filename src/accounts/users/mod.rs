//! Accounts: making, finding, changing, switching off and removing them.
//!
//! Who may do what to whom is decided in `policy::authority` and nowhere else; every path, HTTP or command line, comes
//! through `service`. Signing in is the business of `sessions`, hashing that of `passwords`.

mod access;
mod audit_entry;
mod authorization;
pub mod bulk;
mod credentials;
mod import;
mod initial_access;
mod input;
mod lifecycle;
mod listing;
mod lookup;
mod model;
mod policy;
mod reassign_role;
mod register;
mod removal;
pub mod response_cache;
mod routes;
mod self_service;
pub mod service;
mod store;
mod visibility;

pub use initial_access::AccessGrant;
pub(crate) use input::{Change, Draft};
pub use model::User;
pub use policy::values::{Email, Username, moment};
pub use routes::routes;
pub(crate) use store::UserRow;
