//! Attacks from the threat list, by subject.

mod access_tokens;
mod authorization;
mod input;
mod observability;
mod resources;
mod sessions;
