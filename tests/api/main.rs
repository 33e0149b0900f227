//! Integration tests of the service and the `rosterd` binary, with a real PostgreSQL server and real sockets.
#![cfg(test)]

mod attacks;
mod audit;
mod auth;
mod cli;
mod client_secret_holders;
mod clients;
mod conventions;
mod guides;
mod invariants;
mod invites;
mod mail;
mod mail_notices;
mod mail_tls;
mod oauth;
mod process;
mod roles;
mod support;
mod users;
