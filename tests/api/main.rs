//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod access;
mod authority;
mod binary;
mod browser_apps;
mod check;
mod cluster;
mod conventions;
mod email_confirmations;
mod embed;
mod every_operation;
mod idempotency;
mod invites;
mod mail;
mod openapi;
mod password_change;
mod policy;
mod races;
mod readme;
mod registration;
mod replicas;
mod reset_links;
mod revocation;
mod roles;
mod roles_reading;
mod schema;
mod sessions;
mod sign_in;
mod spa;
mod structure;
mod support;
mod throttle;
mod tokens;
mod users;
mod users_list;
