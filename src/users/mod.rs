//! Accounts: making, finding, changing, switching off and removing them.
//!
//! Who may do what to whom is decided in `rules::authority` and nowhere else; every path, HTTP or command line, comes
//! through `service`. Signing in is the business of `sessions`, hashing that of `passwords`.

mod access;
pub mod bulk;
mod credentials;
mod finding;
mod giving;
mod import;
mod input;
mod joining;
mod life;
mod listing;
mod model;
mod moving;
mod own;
pub mod page;
mod removal;
mod routes;
mod rules;
mod scene;
pub mod service;
mod store;
mod story;
mod watching;

pub use giving::Gift;
pub(crate) use input::{Change, Draft};
pub use model::User;
pub use routes::routes;
pub use rules::values::{Email, Username, moment};
pub(crate) use store::UserRow;
