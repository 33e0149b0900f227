//! Invites: the holder of an invite token may register, and the new account gets the role and permissions of the invite.
//!
//! A token has 256 bits and is stored as a digest. An invite can only grant what its creator may grant; this is checked when
//! it is created and again when it is used. The account is created by `registration`.

mod input;
mod model;
mod routes;
pub mod service;
mod store;
mod validity;

pub use input::NewInvite;
pub use model::{Invite, InviteWithToken};
pub use routes::routes;
pub use validity::InviteState;
