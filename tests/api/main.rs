//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod cluster;
mod email_confirmations;
mod mail;
mod replicas;
mod reset_links;
mod revocation;
mod support;
mod users;
