//! `rosterd completions` and `rosterd man`: shell completions and manual pages, generated from the clap definitions.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use super::{CliError, print_stdout};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd completions bash > /etc/bash_completion.d/rosterd
  rosterd completions zsh > ~/.zfunc/_rosterd
  rosterd completions fish > ~/.config/fish/completions/rosterd.fish")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub fn run_completions(mut command: Command, args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "rosterd", &mut script);
    Ok(print_stdout(&String::from_utf8_lossy(&script))?)
}

#[derive(Args)]
#[command(after_help = "Example:\n  rosterd man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The directory to write to; it is created if it does not exist.
    directory: PathBuf,
}

pub fn run_man(command: Command, args: &ManArgs) -> Result<(), CliError> {
    let directory = &args.directory;
    let to_error = |error| CliError::Failed(format!("{}: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(to_error)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_pages(&command, directory).map_err(to_error)
}

/// Writes the page of a command and of its subcommands, such as `rosterd-users-add.1`.
fn write_pages(command: &Command, directory: &Path) -> std::io::Result<()> {
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
    {
        write_pages(subcommand, directory)?;
    }
    clap_mangen::Man::new(command.clone())
        .generate_to(directory)
        .map(drop)
}
