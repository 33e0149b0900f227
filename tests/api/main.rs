//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod browser_apps;
mod cluster;
mod replicas;
mod reset_links;
mod revocation;
mod roles;
mod sessions;
mod support;
mod users;
