//! Rate limits for password guessing. An attempt reserves a slot in PostgreSQL before the password is verified, so that
//! all replicas share one budget and parallel requests cannot exceed it. A success releases the slot and resets the failures.
//!
//! There are two budgets:
//!
//! * **Account:** ten failures are free. After that each further attempt must wait, from 30 s, doubling up to one hour.
//!   After 100 failures the password is blocked until it is changed (NIST SP 800-63B-4, section 3.2.2). Of these, 70 are for
//!   unknown callers, 20 for callers with a session of the account or from a source where it recently signed in, and 10
//!   for devices on which it recently signed in. So an attacker cannot lock the owner out.
//! * **Source:** an IPv4 address or an IPv6 /64 network. Its budget is large enough for an office behind one address.
//!
//! A username that does not exist is limited like one that does. This module does not verify passwords.

mod admission_queue;
pub mod device_token;
mod policy;
pub mod service;
mod store;

pub use admission_queue::AdmissionQueue;
pub use service::{LoginTarget, PasswordAttempt, RateLimitSlot, SlotDecision};
