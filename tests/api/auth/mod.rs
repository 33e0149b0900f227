//! Signing in, sessions, tokens, clients and everything else about authentication.

mod browser_apps;
mod clients;
mod email_confirmation;
mod invites;
mod oauth;
mod own_account;
mod password_change;
mod password_reset_links;
mod permission_check;
mod personal_tokens;
mod rate_limits;
mod registration;
mod revocation_feed;
mod sessions;
mod sign_in;
mod signing_keys;
