//! The command line: parse, then the same service function that HTTP calls, then print.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage. Answers go to standard output, everything else to standard error.

mod ask;
mod audit;
mod auth;
mod clients;
mod context;
mod db;
mod doctor;
mod failure;
mod health;
mod invites;
mod keys;
mod output;
mod pages;
mod paging;
mod passwd;
mod permissions;
mod progress;
mod roles;
mod serve;
mod users;
mod when;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::platform::config::Config;
use crate::platform::start_error::StartError;
use crate::server::openapi;
use failure::Failure;

/// Exit statuses.
const DONE: i32 = 0;
const FAILED: i32 = 1;
const WRONG_USAGE: i32 = 2;

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
        after_help = "Settings are read from the environment and from .env; .env.example lists them.\n\nExample:\n  rosterd serve"
    )]
    Serve,
    /// Look after accounts.
    #[command(subcommand)]
    Users(Box<users::Command>),
    /// Set an account's password; its sessions end.
    Passwd(Box<passwd::Arguments>),
    /// Look after roles.
    #[command(subcommand)]
    Roles(Box<roles::Command>),
    /// Look after the catalogue of permissions.
    #[command(subcommand)]
    Permissions(permissions::Command),
    /// See who did what, and who tried to sign in.
    #[command(subcommand)]
    Audit(Box<audit::Command>),
    /// Look after invites.
    #[command(subcommand)]
    Invites(Box<invites::Command>),
    /// Look after sessions and access tokens.
    #[command(subcommand)]
    Auth(Box<auth::Command>),
    /// Look after service clients.
    #[command(subcommand)]
    Clients(Box<clients::Command>),
    /// Look after the keys that sign access tokens.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Look for what keeps the service from working well.
    Doctor(doctor::Arguments),
    /// Look after the database.
    #[command(subcommand)]
    Db(db::Command),
    /// Ask a running service whether it lives; for health checks.
    #[command(after_help = "Example:\n  rosterd health")]
    Health,
    /// Print the API document (OpenAPI 3.1).
    #[command(after_help = "Example:\n  rosterd openapi > openapi.json")]
    Openapi,
    /// Print what a shell needs to complete commands.
    Completions(pages::Completions),
    /// Write the manual, a page for each command.
    Man(pages::Man),
}

/// Runs the command line of this process, and ends it.
///
/// What libraries would do at the end of a process is left out: libpq's TLS library takes itself down there, and crashes
/// under a thread that is just connecting. Nothing depends on it; what is printed has been flushed.
pub fn run() -> ! {
    leave_no_core();
    let status = match CommandLine::try_parse() {
        Ok(line) => carry_out(line.command).map_or_else(Failure::exit, |()| DONE),
        Err(error) => answer(&error),
    };
    signal_hook::low_level::exit(status)
}

/// The memory of this process has passwords and keys in it, and stays out of files when it crashes. Where the limit can't be
/// set, it was lower already.
fn leave_no_core() {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, nothing);
}

/// What clap has to say: the help that was asked for, or what is wrong with the command line.
fn answer(error: &clap::Error) -> i32 {
    let is_short = !matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_short {
        return failure::of_usage(error).exit();
    }
    // Nobody there to read it is no reason to fail.
    let _ = error.print();
    let _ = std::io::stdout().flush();
    if error.use_stderr() {
        WRONG_USAGE
    } else {
        DONE
    }
}

fn carry_out(command: Command) -> Result<(), Failure> {
    let settings = || Config::from_env().map_err(StartError::from);
    match command {
        Command::Serve => Ok(serve::run(settings()?)?),
        Command::Users(command) => users::run(&settings()?, *command),
        Command::Passwd(arguments) => passwd::run(&settings()?, *arguments),
        Command::Roles(command) => roles::run(&settings()?, *command),
        Command::Permissions(command) => permissions::run(&settings()?, command),
        Command::Audit(command) => audit::run(&settings()?, *command),
        Command::Invites(command) => invites::run(&settings()?, *command),
        Command::Auth(command) => auth::run(&settings()?, *command),
        Command::Clients(command) => clients::run(&settings()?, *command),
        Command::Keys(command) => keys::run(&settings()?, &command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Db(command) => Ok(db::run(&settings()?, &command)?),
        Command::Health => Ok(health::run(&settings()?)?),
        Command::Openapi => Ok(print(&openapi::text())?),
        Command::Completions(arguments) => pages::completions(&arguments),
        Command::Man(arguments) => pages::man(&arguments),
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

/// The list with these added and those taken away, if any were named.
fn edited(now: &[String], added: &[String], taken: &[String]) -> Option<Vec<String>> {
    if added.is_empty() && taken.is_empty() {
        return None;
    }
    let kept = now.iter().filter(|name| !taken.contains(name));
    let new = added.iter().filter(|name| !now.contains(name));
    Some(kept.chain(new).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command that does something, as it is called, with what its help says at the end.
    fn commands(command: &clap::Command, called: &str, found: &mut Vec<(String, String)>) {
        let called = format!("{called}{} ", command.get_name());
        if command.has_subcommands() {
            for below in command.get_subcommands() {
                commands(below, &called, found);
            }
        } else {
            let help = command.get_after_help().map(ToString::to_string);
            found.push((called, help.unwrap_or_default()));
        }
    }

    /// The words of the call of rosterd in a line of shell.
    fn words(line: &str) -> Vec<String> {
        let call = line.find("rosterd ").map_or("", |at| line.split_at(at).1);
        let call = call.split([';', '>']).next().unwrap();
        let mut words = Vec::new();
        for (index, part) in call.split('\'').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(ToOwned::to_owned));
            }
        }
        words
    }

    #[test]
    fn the_table_of_commands_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_of_its_own_and_they_are_understood() {
        let mut found = Vec::new();
        commands(&CommandLine::command(), "", &mut found);
        assert!(found.len() > 25, "{}", found.len());
        for (called, help) in found {
            let examples: Vec<&str> = help
                .lines()
                .filter(|line| line.starts_with("  ") && line.contains("rosterd "))
                .collect();
            assert!(!examples.is_empty(), "{called}has no example");
            for example in examples {
                let words = words(example);
                let shown = format!("{} ", words.join(" "));
                assert!(shown.starts_with(&called), "{example} below {called}");
                if let Err(error) = CommandLine::try_parse_from(&words) {
                    panic!("{example}\n{error}");
                }
            }
        }
    }

    #[test]
    fn lists_are_edited_by_what_is_added_and_taken() {
        let list = |text: &str| -> Vec<String> {
            text.split_whitespace().map(ToOwned::to_owned).collect()
        };
        let now = list("a b");
        assert_eq!(edited(&now, &[], &[]), None);
        assert_eq!(edited(&now, &list("c a"), &list("b x")), Some(list("a c")));
    }
}
