//! Accounts: users, roles, invites, registration, and what people do with their own account.

pub mod email_confirmations;
pub mod invites;
pub mod password_reset;
pub mod profile;
pub mod registration;
pub mod roles;
pub mod users;
