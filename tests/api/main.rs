//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod binary;
mod cluster;
mod replicas;
mod revocation;
mod support;
mod users;
