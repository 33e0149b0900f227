//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod cluster;
mod replicas;
mod support;
mod throttle;
mod users;
