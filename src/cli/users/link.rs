//! `rosterd users reset-link`.

use clap::Args;

use crate::access::authentication::{Can, needs};
use crate::accounts::password_reset::{Lifetime, ResetLink, service};
use crate::cli::Failure;
use crate::cli::context::CliContext;
use crate::cli::output::{self, Cell, Column, FormFlags, Row};
use crate::cli::{print, tell, when};
use crate::platform::http::IfMatch;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users reset-link ada
  rosterd users reset-link ada --expires-in 1h --json")]
pub struct Arguments {
    /// The account: username, id or email address.
    account: String,
    /// How long the link is good, from a minute to a week.
    #[arg(long, value_name = "SPAN", value_parser = lifetime, default_value = "1d")]
    expires_in: Lifetime,
    #[command(flatten)]
    form: FormFlags,
}

pub fn run(desk: &CliContext<'_>, arguments: &Arguments) -> Result<(), Failure> {
    let row = desk.account(&arguments.account)?;
    let by: Can<needs::ResetPasswords> = desk.may()?;
    let page = &desk.config.reset_page;
    let lifetime = arguments.expires_in;
    let link = desk
        .db
        .write_now(|tx| service::create(tx, &by, page, row.id, lifetime, &IfMatch::Absent))?;
    if arguments.form.is_asked() {
        return output::show(arguments.form, &link);
    }
    tell(&format!(
        "The password of {} is set with this link, once, until {}:",
        row.username,
        Cell::from(link.expires_at_utc).plain()
    ));
    Ok(print(&format!("{}\n", link.url))?)
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    Lifetime::of_seconds(when::span(text)?.num_seconds()).map_err(|wrong| wrong.to_string())
}

impl Row for ResetLink {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("token", "TOKEN", |link| (&link.token).into()),
        Column::shown("url", "LINK", |link| (&link.url).into()),
        Column::shown("expiresAtUtc", "EXPIRES", |link| link.expires_at_utc.into()),
    ];
}
