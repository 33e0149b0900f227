//! Passwords: the policy for new passwords, and hashing and verification with Argon2id.
//!
//! [`Password`] holds a password as typed, [`PasswordPolicy`] decides whether it may be set, and [`Hasher`] turns it into a
//! [`PasswordHash`] on dedicated threads. This module has no database access and never prints, logs or serializes a password.

mod breached_passwords;
mod common_passwords;
mod hasher;
mod name_matching;
mod owner;
mod password;
mod patterns;
mod pepper;
mod policy;

pub use breached_passwords::{BreachedPasswords, InvalidBreachedPasswords};
pub use hasher::{
    HashParams, Hasher, HasherOptions, HasherOverloaded, HasherStats, InvalidHashParams,
    PasswordHash, Priority, UnsupportedHash, VerifyOutcome,
};
pub use owner::PasswordOwner;
pub use password::Password;
pub use pepper::{Pepper, Peppers};
pub use policy::{MinLengthOutOfRange, PasswordContext, PasswordPolicy, PasswordWeakness};
