//! What ends together with an account, its password or its email address: sessions, tokens and reset links.
//!
//! This module is above `users`, `sessions`, `tokens` and `password_reset`, so that these do not depend on each other.

pub mod service;
