//! Defines the command line, parses it and runs the chosen command.

use std::io::Write;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::cli_error::{self, CliError, EXIT_OK, EXIT_USAGE};
use super::standard_streams::{print_stderr, print_stdout};
use super::{
    audit, auth, clients, completions_and_man, db, doctor, health, invites, keys, passwd,
    permissions, roles, secret_key, serve, users,
};
use crate::platform::config::Config;
use crate::platform::data_source;
use crate::platform::start_error::StartError;
use crate::server::openapi;
/// A headless identity service: users, roles, permissions, sessions and tokens over REST/JSON.
#[derive(Parser)]
#[command(
    name = "rosterd",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    /// Read settings from this file, in place of .env or /etc/rosterd/rosterd.env.
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
    /// Say first which settings and which database are used.
    #[arg(long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service.
    #[command(
        after_help = "Settings are read from the environment and from .env; .env.example documents them.\n\nExample:\n  rosterd serve"
    )]
    Serve,
    /// Manage users.
    #[command(subcommand)]
    Users(Box<users::UsersCommand>),
    /// Set or remove the password of a user.
    Passwd(Box<passwd::PasswdArgs>),
    /// Manage roles.
    #[command(subcommand)]
    Roles(Box<roles::RolesCommand>),
    /// Manage the permission catalogue.
    #[command(subcommand)]
    Permissions(permissions::PermissionsCommand),
    /// Show and verify the audit log.
    #[command(subcommand)]
    Audit(Box<audit::AuditCommand>),
    /// Manage invites.
    #[command(subcommand)]
    Invites(Box<invites::InvitesCommand>),
    /// Manage sessions and access tokens.
    #[command(subcommand)]
    Auth(Box<auth::AuthCommand>),
    /// Manage service clients.
    #[command(subcommand)]
    Clients(Box<clients::ClientsCommand>),
    /// Manage the keys that sign access tokens.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Replace the key that encrypts secrets in the database.
    #[command(subcommand)]
    SecretKey(secret_key::SecretKeyCommand),
    /// Check the settings, the database and the keys for problems.
    Doctor(doctor::DoctorArgs),
    /// Manage the database schema.
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Check that the service on this machine responds.
    #[command(after_help = "Example:\n  rosterd health")]
    Health,
    /// Print the OpenAPI document.
    #[command(after_help = "Example:\n  rosterd openapi > openapi.json")]
    Openapi {
        /// The version of OpenAPI. Some client generators read only 3.0.
        #[arg(long, value_name = "VERSION", default_value = "3.1", value_parser = ["3.1", "3.0"])]
        openapi_version: String,
    },
    /// Print a shell completion script.
    Completions(completions_and_man::CompletionsArgs),
    /// Write the manual pages, one per command.
    Man(completions_and_man::ManArgs),
}

/// Runs the command line of this process and exits.
///
/// Exits without running the exit handlers of libraries: libpq's TLS library frees its state in one, and crashes if
/// another thread is connecting at that moment. No exit handler is needed; the output has been flushed.
pub fn run() -> ! {
    disable_core_dumps();
    let status = match Cli::try_parse() {
        Ok(cli) => run_command(cli).map_or_else(CliError::report, |()| EXIT_OK),
        Err(error) => report_clap_error(&error),
    };
    signal_hook::low_level::exit(status)
}

/// Keeps the passwords and keys in memory out of core files. An error means that the limit is already lower.
fn disable_core_dumps() {
    let zero = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, zero);
}

/// Prints the requested help or version, or what is wrong with the command line.
fn report_clap_error(error: &clap::Error) -> i32 {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !is_help {
        return cli_error::from_clap(error).report();
    }
    // A closed pipe is not an error.
    let _ = error.print();
    let _ = std::io::stdout().flush();
    if error.use_stderr() {
        EXIT_USAGE
    } else {
        EXIT_OK
    }
}

fn run_command(cli: Cli) -> Result<(), CliError> {
    let env_file = cli.env_file.as_deref();
    let config = || -> Result<Config, StartError> {
        let config = Config::from_env(env_file)?;
        if cli.verbose {
            let settings = config.settings_file.as_ref();
            let settings =
                settings.map_or_else(String::new, |path| format!(" and {}", path.display()));
            print_stderr(&format!("settings: the environment{settings}"));
            print_stderr(&format!("data: {}", data_source::describe(&config)));
        }
        Ok(config)
    };
    match cli.command {
        Command::Serve => Ok(serve::run(config()?)?),
        Command::Users(command) => users::run(&config()?, *command),
        Command::Passwd(args) => passwd::run(&config()?, *args),
        Command::Roles(command) => roles::run(&config()?, *command),
        Command::Permissions(command) => permissions::run(&config()?, command),
        Command::Audit(command) => audit::run(&config()?, *command),
        Command::Invites(command) => invites::run(&config()?, *command),
        Command::Auth(command) => auth::run(&config()?, *command),
        Command::Clients(command) => clients::run(&config()?, *command),
        Command::Keys(command) => keys::run(&config()?, &command),
        Command::SecretKey(command) => secret_key::run(&config()?, &command),
        Command::Doctor(args) => doctor::run(&args, env_file),
        Command::Db(command) => db::run(&config()?, command),
        Command::Health => Ok(health::run(&config()?)?),
        Command::Openapi { openapi_version } => {
            Ok(print_stdout(&match openapi_version.as_str() {
                "3.0" => openapi::text_3_0(),
                _ => openapi::text(),
            })?)
        }
        Command::Completions(args) => completions_and_man::run_completions(Cli::command(), &args),
        Command::Man(args) => completions_and_man::run_man(Cli::command(), &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects every leaf command as (`rosterd users add `, text after its help).
    fn collect_leaf_commands(
        command: &clap::Command,
        prefix: &str,
        found: &mut Vec<(String, String)>,
    ) {
        let invocation = format!("{prefix}{} ", command.get_name());
        if command.has_subcommands() {
            for subcommand in command.get_subcommands() {
                collect_leaf_commands(subcommand, &invocation, found);
            }
        } else {
            let help = command.get_after_help().map(ToString::to_string);
            found.push((invocation, help.unwrap_or_default()));
        }
    }

    /// The words of the rosterd invocation in a line of shell.
    fn invocation_words(line: &str) -> Vec<String> {
        let invocation = line
            .find("rosterd ")
            .map_or("", |start| line.split_at(start).1);
        let invocation = invocation.split([';', '>']).next().unwrap();
        let mut words = Vec::new();
        for (index, part) in invocation.split('\'').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(ToOwned::to_owned));
            }
        }
        words
    }

    #[test]
    fn clap_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let mut commands = Vec::new();
        collect_leaf_commands(&Cli::command(), "", &mut commands);
        assert!(commands.len() > 25, "{}", commands.len());
        for (invocation, help) in commands {
            let examples: Vec<&str> = help
                .lines()
                .filter(|line| line.starts_with("  ") && line.contains("rosterd "))
                .collect();
            assert!(!examples.is_empty(), "{invocation}has no example");
            for example in examples {
                let words = invocation_words(example);
                let typed = format!("{} ", words.join(" "));
                assert!(
                    typed.starts_with(&invocation),
                    "{example} in the help of {invocation}"
                );
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{example}\n{error}");
                }
            }
        }
    }
}
