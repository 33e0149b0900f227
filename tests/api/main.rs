//! The tests of the whole service: real PostgreSQL, real sockets, and for the command line the real binary.
#![cfg(test)]

mod attacks;
mod audit;
mod auth;
mod cli;
mod conventions;
mod guides;
mod invariants;
mod mail;
mod process;
mod roles;
mod support;
mod users;
