//! Rate limits for password guessing. An attempt reserves a slot in PostgreSQL before the password is verified, so that
//! all replicas share one budget and parallel requests cannot exceed it. A success releases the slot and resets the failures.
//!
//! There are three budgets:
//!
//! * **Account:** ten failures are free. After that each further attempt must wait, from 30 s, doubling up to one hour.
//!   After 100 failures the password is blocked until it is changed (NIST SP 800-63B-4, section 3.2.2). Of these, 70 are for
//!   unknown callers, 20 for callers with a session of the account or from a source where it recently signed in, and 10
//!   for devices on which it recently signed in. So an attacker cannot lock the owner out.
//! * **Source:** an IPv4 address or an IPv6 /64 network. Its budget is large enough for an office behind one address, and twice
//!   as large for callers with a session of the account or from a source where it recently signed in.
//! * **Network:** the /24 of an IPv4 address, the /56 and /48 of an IPv6 address. One source can use up at most a third of the
//!   budget of its /24 or /56. Only attempts of unknown callers are counted and refused.
//!
//! A username that does not exist is limited like one that does. This module does not verify passwords. [`budget`] limits other
//! requests that need no account, [`account_budget`] what signed-in callers do often.

pub mod account_budget;
mod admission_queue;
pub mod budget;
pub mod device_token;
mod login_target;
mod policy;
mod refusal_log;
pub mod service;
mod store;
mod unknown_tokens;

pub use admission_queue::AdmissionQueue;
pub use login_target::LoginTarget;
pub use policy::CallerTrust;
pub use refusal_log::RefusalLog;
pub use service::{PasswordAttempt, RateLimitSlot, SlotDecision};
pub use unknown_tokens::UnknownTokens;
