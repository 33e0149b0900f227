//! Sessions: signing in, keeping the session alive by rotating its refresh token, and ending it.
//!
//! Each use of a refresh token makes its successor. The token before the newest is answered once more with that same
//! successor for 30 s, for a lost answer or a second tab; anything older ends the session, for then two hold it
//! (RFC 9700, section 4.14.2).

mod cookie;
mod model;
pub mod others;
mod own;
mod policy;
mod routes;
pub mod service;
mod store;
mod token_introspection;

pub use cookie::device_token;
pub use model::{Session, Tokens};
pub use policy::{EndReason, Filter, SessionLimits};
pub use routes::routes;
