//! `/api/v1/auth`: login, sessions, own account, passwords, tokens and registration.

mod audiences;
mod change_password;
mod confirm_email;
mod cookie_transport;
mod login;
mod me;
mod pepper;
mod permission_check;
mod rate_limits;
mod register;
mod request_password_reset;
mod reset_password;
mod revocations;
mod sessions;
mod signing_keys;
mod token_size;
mod tokens;
mod verify;
