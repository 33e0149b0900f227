//! The audit log and its hash chain.

mod chain;
mod log;
