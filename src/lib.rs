//! rosterd: a headless identity service.
//!
//! # The map
//!
//! Each **slice** is one subject with the same five files: `routes` (HTTP), `service` (one function for each use case, in
//! the caller's transaction), `store` (SQL), `rules` (pure decisions), and `mod` (what it is, what it exports).
//!
//! | slice | subject |
//! |---|---|
//! | [`users`] | accounts: make, find, change, switch off, delete |
//! | [`roles`] | roles and the catalogue of permissions |
//! | [`invites`] | who may register, and what they are given |
//! | [`registration`] | accounts that people make for themselves |
//! | [`sessions`] | signing in, refreshing, ending |
//! | [`clients`] | service clients: programs that act for themselves |
//! | [`tokens`] | personal access tokens: what programs act with for an account |
//! | [`passwords`] | what a password may be, hashing on threads of its own |
//! | [`throttle`] | how often a password may be guessed |
//! | [`me`] | what everybody may do with their own account |
//! | [`reset_links`] | setting a password with a link, once, without the old one |
//! | [`email_confirmations`] | showing that mail to an address reaches its owner |
//! | [`mail`] | letters: an outbox, and a thread that sends what is in it |
//! | [`revocations`] | the feed of what access tokens outlive, for those who verify them by themselves |
//! | [`oauth`] | tokens for programs, asking about tokens and revoking them, in OAuth's way |
//! | [`forward_auth`] | telling a proxy who is calling and whether they may |
//! | [`auth`] | who is calling and what they may; access tokens and signing keys |
//! | [`audit`] | who did what to whom, and who tried to sign in |
//! | [`replies`] | answers kept for an idempotent retry |
//!
//! **Rooms** that serve them all and know none of them: [`error`], [`ids`], [`label`], [`http`], [`db`], [`secrets`], [`config`],
//! [`telemetry`], [`metrics`]. [`place`] opens the database, [`app`] puts the slices together and serves them, [`openapi`] documents them, [`cli`] is
//! the command line.
//!
//! # Who may call whom
//!
//! `routes` and `cli` → `service` → `store` → `schema`; `service` → `rules`; a service may call another slice's service,
//! never its store. `routes` knows no SQL, `service` knows no HTTP framework, `rules` know neither, nor the clock.
//! A test holds the files to that.

pub mod app;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clients;
pub mod config;
pub mod db;
pub mod email_confirmations;
pub mod error;
pub mod forward_auth;
pub mod health;
pub mod http;
pub mod ids;
pub mod invites;
pub mod label;
pub mod mail;
pub mod me;
pub mod metrics;
pub mod oauth;
pub mod openapi;
pub mod passwords;
pub mod place;
pub mod registration;
pub mod replies;
pub mod reset_links;
pub mod revocations;
pub mod roles;
mod schema;
pub mod secrets;
pub mod sessions;
pub mod telemetry;
pub mod throttle;
pub mod tokens;
pub mod users;
