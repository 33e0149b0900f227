//! The `/users` endpoints and the use cases behind them: creating, showing, listing, changing, disabling and deleting
//! accounts, one at a time or many.

pub mod bulk;
mod import;
mod initial_password;
mod list_routes;
mod removal;
pub mod response_cache;
mod routes;
pub mod service;
mod status_and_permissions;
mod update;

pub use routes::routes;
