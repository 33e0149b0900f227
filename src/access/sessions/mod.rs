//! Sessions: signing in, refreshing the tokens, and ending the session.
//!
//! Each refresh replaces the refresh token (rotation). The previous token is accepted until 30 seconds after the first use of
//! the new access token, and returns the same successor, because a response can be lost or two tabs can refresh at once. The
//! use of an older token ends the session, because then two parties have it (RFC 9700, section 4.14.2).

mod model;
mod own_sessions;
mod policy;
mod routes;
pub mod service;
pub mod session_admin;
mod session_replacement;
mod sign_out_query;
mod store;
mod token_cookies;
pub mod token_introspection;
pub mod token_refresh;

pub use model::{Session, Tokens};
pub use policy::{EndReason, SessionFilter, SessionLimits};
pub use routes::routes;
pub use sign_out_query::SignOutQuery;
pub use token_cookies::device_token;
