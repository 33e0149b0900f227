//! `rosterd users reset-link`: creates a password reset link.

use clap::Args;

use crate::access::authentication::{Can, needs};
use crate::accounts::password_reset::{ResetLink, ResetLinkLifetime, service};
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::output::{self, Cell, Column, FormatFlags, TableRow};
use crate::cli::{print_stderr, print_stdout, time_argument};
use crate::platform::http::IfMatch;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users reset-link ada
  rosterd users reset-link ada --expires-in 1h --json")]
pub struct ResetLinkArgs {
    /// Username, id or email address.
    user: String,
    /// How long the link is valid, 1m to 7d.
    #[arg(long, value_name = "DURATION", value_parser = parse_lifetime, default_value = "1d")]
    expires_in: ResetLinkLifetime,
    #[command(flatten)]
    format: FormatFlags,
}

pub fn run(context: &CliContext<'_>, args: &ResetLinkArgs) -> Result<(), CliError> {
    let row = context.find_account(&args.user)?;
    let actor: Can<needs::ResetPasswords> = context.authorize()?;
    let links = &context.reset_links()?;
    let lifetime = args.expires_in;
    let link = context
        .db
        .write_now(|tx| service::create(tx, &actor, links, row.id, lifetime, &IfMatch::Absent))?;
    if args.format.is_set() {
        return output::show(args.format, &link);
    }
    print_stderr(&format!(
        "Password reset link of {}, valid once, until {}:",
        row.username,
        Cell::from(link.expires_at_utc).into_display_text()
    ));
    Ok(print_stdout(&format!("{}\n", link.url))?)
}

fn parse_lifetime(text: &str) -> Result<ResetLinkLifetime, String> {
    ResetLinkLifetime::from_seconds(time_argument::parse_duration(text)?.num_seconds())
        .map_err(|error| error.to_string())
}

impl TableRow for ResetLink {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("token", "TOKEN", |link| (&link.token).into()),
        Column::shown("url", "LINK", |link| (&link.url).into()),
        Column::shown("expiresAtUtc", "EXPIRES", |link| link.expires_at_utc.into()),
    ];
}
