//! The running replicas, and the settings that all replicas on a database must share. A replica with another issuer,
//! audience or secret key would reject the tokens of the others.

pub mod service;
mod store;

pub use service::{SettingMismatch, SharedSettings};
