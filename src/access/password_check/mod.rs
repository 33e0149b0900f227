//! Password checks for sign-in, re-authentication and password changes: finds the account, applies the rate limits and
//! verifies the hash. Also applies the password policy to a new password.
//!
//! This module uses accounts, rate limits and the audit log. [`passwords`](super::passwords) depends on none of them.

pub mod service;

pub use service::{LoginIdentifier, PasswordCheckResult, PasswordService};
