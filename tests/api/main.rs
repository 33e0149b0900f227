//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod authority;
mod cluster;
mod password_change;
mod replicas;
mod revocation;
mod roles_reading;
mod sign_in;
mod support;
mod users;
