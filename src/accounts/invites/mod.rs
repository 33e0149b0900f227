//! Invites: whoever holds the token of one may register and gets the role and permissions that it gives.
//!
//! A token has 256 bits and is stored only as its digest. An invite gives nothing but what whoever made it may give, when
//! it is made and again when it is used: it stops being good with their right to it. Making the account is the business
//! of `registration`.

mod input;
mod model;
mod policy;
mod routes;
pub mod service;
mod store;

pub use input::NewInvite;
pub use model::{Invite, InviteWithToken};
pub use policy::InviteState;
pub use routes::routes;
