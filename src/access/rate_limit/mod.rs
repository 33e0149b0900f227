//! How often a password may be guessed. An attempt takes its place before the password is looked at, in PostgreSQL, so
//! that replicas share one budget and a burst can't exceed it; a success gives the place back and forgets the failures.
//!
//! Two budgets hold. That of the **account** has ten failures; then each further attempt waits, from 30 s doubling to an
//! hour, and after a hundred the password is good for nothing until it is set anew (NIST SP 800-63B-4, section 3.2.2).
//! Seventy of these are for strangers, twenty for whoever comes with a session of the account or from where it signed in
//! lately, and ten in a row for browsers on which it did: strangers can't lock the owner out. That of the **source**, an address or an IPv6 network of 64 bits, is
//! wide enough for an office behind one address. A name that no account has is treated as if one had it.
//!
//! Whether a password is right is not decided here, and no throttled attempt gets as far as that.

mod admission;
pub mod device;
mod policy;
pub mod service;
mod store;

pub use admission::AdmissionQueue;
pub use service::{Attempt, Begun, RateLimitSlot, Target};
