//! `rosterd users`: accounts.

mod add;
mod change;
mod flags;
mod grants;
mod link;
mod listing;
mod many;
mod reset;

use clap::Subcommand;

use super::output::{self, Cell, Column, FormFlags, Row};
use super::{Failure, context, tell};
use crate::accounts::users::bulk::Action;
use crate::accounts::users::{User, service};
use crate::platform::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// List accounts, the newest first.
    Ls(listing::Arguments),
    /// Show an account.
    #[command(after_help = "\
Examples:
  rosterd users show ada
  rosterd users show ada@example.org --json")]
    Show {
        /// Username, id or email address.
        name: String,
        #[command(flatten)]
        form: FormFlags,
    },
    /// Make an account; without a password it gets a reset link.
    Add(add::Arguments),
    /// Change an account.
    Mod(change::Arguments),
    /// Delete accounts; `restore` brings them back, after --purge nothing does.
    #[command(after_help = "\
Examples:
  rosterd users rm ada
  rosterd users rm ada grace --yes
  rosterd users rm ada --purge
  rosterd users rm --tag trial --dry-run

Of a purged account nothing is left but ids in the audit log.")]
    Rm(many::Rm),
    /// Bring deleted accounts back.
    #[command(after_help = "Example:\n  rosterd users restore ada")]
    Restore(many::Named),
    /// Remove every account for ever that is no SuperAdmin.
    Reset(reset::Arguments),
    /// Let accounts sign in again.
    #[command(after_help = "\
Examples:
  rosterd users activate ada grace
  rosterd users activate --tag staff --dry-run")]
    Activate(many::Chosen),
    /// Keep accounts from signing in, and end their sessions and tokens.
    #[command(after_help = "\
Examples:
  rosterd users deactivate ada grace
  rosterd users deactivate --email-domain example.org --dry-run
  rosterd users deactivate --tag trial --yes

A filter takes the active accounts that it lets through, and asks first.")]
    Deactivate(many::Chosen),
    /// End all sessions of accounts.
    #[command(after_help = "\
Examples:
  rosterd users sign-out ada
  rosterd users sign-out --role Admin --yes")]
    SignOut(many::Chosen),
    /// Make a link with which an account's password is set once.
    ResetLink(link::Arguments),
    /// Add tags to an account.
    #[command(after_help = "Example:\n  rosterd users tag ada staff london")]
    Tag(many::Tagged),
    /// Take tags from an account.
    #[command(after_help = "Example:\n  rosterd users untag ada london")]
    Untag(many::Tagged),
    /// Say that accounts' email addresses are proven.
    #[command(after_help = "Example:\n  rosterd users confirm ada grace")]
    Confirm(many::Named),
    /// Say that accounts' email addresses are not proven.
    #[command(after_help = "Example:\n  rosterd users unconfirm ada")]
    Unconfirm(many::Named),
    /// Permissions granted to an account directly.
    #[command(subcommand)]
    Permissions(grants::Command),
    /// Ask whether an account could do something now: exit status 0 for yes, 1 for no.
    Can(grants::Can),
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    context::at(config, |desk| match command {
        Command::Ls(arguments) => listing::run(desk, arguments),
        Command::Show { name, form } => {
            let row = desk.account(&name)?;
            let user = desk.db.read_now(|tx| service::present(tx, row.clone()))?;
            output::show(form, &user)
        }
        Command::Add(arguments) => add::run(desk, arguments),
        Command::Mod(arguments) => change::run(desk, arguments),
        Command::Rm(arguments) => many::rm(desk, arguments),
        Command::Restore(names) => many::named(desk, &Action::Restore, &names),
        Command::Reset(arguments) => reset::run(desk, &arguments),
        Command::Activate(whom) => {
            many::chosen(desk, &Action::Enable, "Activate", Some(false), whom)
        }
        Command::Deactivate(whom) => {
            many::chosen(desk, &Action::Disable, "Deactivate", Some(true), whom)
        }
        Command::SignOut(whom) => many::chosen(desk, &Action::SignOut, "Sign out", None, whom),
        Command::ResetLink(arguments) => link::run(desk, &arguments),
        Command::Tag(tags) => many::tagged(desk, Action::Tag, tags),
        Command::Untag(tags) => many::tagged(desk, Action::Untag, tags),
        Command::Confirm(names) => many::named(desk, &Action::ConfirmEmail(true), &names),
        Command::Unconfirm(names) => many::named(desk, &Action::ConfirmEmail(false), &names),
        Command::Permissions(command) => grants::run(desk, command),
        Command::Can(arguments) => grants::can(desk, &arguments),
    })
}

/// Says that an account is changed, and shows it if a form was asked for.
fn report(form: FormFlags, user: &User, done: &str) -> Result<(), Failure> {
    if form.is_asked() {
        return output::show(form, user);
    }
    tell(&format!("{} is {done}.", user.username));
    Ok(())
}

/// What `--no-…` means beside its opposite.
const fn switch(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

impl Row for User {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::extra("id", |user| Cell::Text(user.id.to_string())),
        Column::shown("username", "USERNAME", |user| (&user.username).into()),
        Column::shown("displayName", "NAME", |user| (&user.display_name).into()),
        Column::shown("email", "EMAIL", |user| (&user.email).into()),
        Column::extra("emailConfirmed", |user| user.email_confirmed.into()),
        Column::shown("role", "ROLE", |user| (&user.role).into()),
        Column::shown("isActive", "ACTIVE", |user| user.is_active.into()),
        Column::shown("lastLoginAtUtc", "LAST LOGIN", |user| {
            user.last_login_at_utc.into()
        }),
        Column::extra("permissions", |user| (&user.permissions).into()),
        Column::extra("effectivePermissions", |user| {
            (&user.effective_permissions).into()
        }),
        Column::extra("tags", |user| (&user.tags).into()),
        Column::extra("attributes", |user| (&user.attributes).into()),
        Column::extra("mustChangePassword", |user| {
            user.must_change_password.into()
        }),
        Column::extra("hasPassword", |user| user.has_password.into()),
        Column::extra("authProvider", |user| (&user.auth_provider).into()),
        Column::extra("authId", |user| (&user.auth_id).into()),
        Column::extra("mfaEnabled", |user| user.mfa_enabled.into()),
        Column::extra("createdAtUtc", |user| user.created_at_utc.into()),
        Column::extra("updatedAtUtc", |user| user.updated_at_utc.into()),
        Column::extra("expiresAtUtc", |user| user.expires_at_utc.into()),
        Column::extra("deletedAtUtc", |user| user.deleted_at_utc.into()),
    ];
}
