//! The attacks of the threat model, by subject.

mod access_tokens;
mod authorization;
mod input;
mod logs;
mod resources;
mod sessions;
