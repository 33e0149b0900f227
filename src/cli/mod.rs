//! The command line: parse, then the same service function that HTTP calls, then print.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage. Answers go to standard output, everything else to standard error.

mod db;
mod health;
mod passwd;
mod serve;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::StartError;
use crate::config::Config;
use crate::openapi;

/// A headless identity service: users, roles, permissions, sessions and tokens over REST/JSON.
#[derive(Parser)]
#[command(
    name = "rosterd",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service.
    #[command(
        after_help = "Settings are read from the environment and from .env; .env.example lists them."
    )]
    Serve,
    /// Set an account's password; its sessions end.
    Passwd(passwd::Arguments),
    /// Look after the database.
    #[command(subcommand)]
    Db(db::Command),
    /// Ask a running service whether it lives; for health checks.
    Health,
    /// Print the API document (OpenAPI 3.1).
    Openapi,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    let done = match line.command {
        Command::Openapi => print(&openapi::text()),
        command => Config::from_env()
            .map_err(StartError::from)
            .and_then(|config| match command {
                Command::Serve => serve::run(config),
                Command::Passwd(arguments) => passwd::run(&config, &arguments),
                Command::Db(command) => db::run(&config, &command),
                Command::Health => health::run(&config),
                Command::Openapi => Ok(()),
            }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("rosterd: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes an answer to standard output.
fn print(text: &str) -> Result<(), StartError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| StartError::Io("the answer can't be written", error))
}

/// Tells the operator something, on standard error; nobody there is no reason to fail.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Where this machine itself reaches a service that listens there: one that listens everywhere is asked on loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
