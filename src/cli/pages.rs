//! `rosterd completions` and `rosterd man`: what shells and manuals know of the command line, made from the same table.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::{CommandLine, Failure, print};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd completions bash > /etc/bash_completion.d/rosterd
  rosterd completions zsh > ~/.zfunc/_rosterd
  rosterd completions fish > ~/.config/fish/completions/rosterd.fish")]
pub struct Completions {
    /// For which shell.
    shell: Shell,
}

pub fn completions(arguments: &Completions) -> Result<(), Failure> {
    let mut text = Vec::new();
    let mut command = CommandLine::command();
    clap_complete::generate(arguments.shell, &mut command, "rosterd", &mut text);
    Ok(print(&String::from_utf8_lossy(&text))?)
}

#[derive(Args)]
#[command(after_help = "Example:\n  rosterd man /usr/local/share/man/man1")]
pub struct Man {
    /// The folder to write into; it is made if it is missing.
    folder: PathBuf,
}

pub fn man(arguments: &Man) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let failed = |error| Failure::Failed(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    write_page(&command, folder).map_err(failed)
}

/// The page of a command, and those of the commands below it: `rosterd-users-add.1`.
fn write_page(command: &Command, folder: &Path) -> std::io::Result<()> {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        write_page(below, folder)?;
    }
    clap_mangen::Man::new(command.clone())
        .generate_to(folder)
        .map(drop)
}
