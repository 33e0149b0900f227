//! Passwords: what a person may choose, and how it is hashed and verified.
//!
//! [`Password`] is a secret as typed, [`Policy`] says why one is refused, [`Hasher`] turns it into a
//! [`PasswordHash`] on threads of its own, and refuses work that would wait too long. Nothing here
//! knows of HTTP, and nothing here prints, logs or serialises a password.

mod common;
mod context;
mod hasher;
mod policy;
mod secret;
pub mod service;
mod shapes;

pub use hasher::{
    HashParams, Hasher, HasherOptions, HasherStats, InvalidHashParams, Overloaded, PasswordHash,
    UnsupportedHash, Verdict,
};
pub use policy::{Context, InvalidPolicy, Policy, Weakness};
pub use secret::Password;
pub use service::{Chooser, Claimant, Passwords, Proof};
