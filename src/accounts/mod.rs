//! Accounts: users, roles, invites, registration, and what people do with their own account.

pub mod credentials;
pub mod email_confirmations;
pub mod invites;
pub mod lifecycle;
pub mod mail_values;
pub mod password_reset;
pub mod profile;
pub mod registration;
pub mod role_update_delete;
pub mod roles;
pub mod user_admin;
pub mod users;
