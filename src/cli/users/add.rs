//! `rosterd users add`: creates a user.

use chrono::DateTime;
use clap::Args;
use serde::Serialize;

use super::account_flags::AccountFlags;
use crate::access::actor::USER;
use crate::access::authentication::{Can, needs};
use crate::accounts::password_reset::{self, ResetLink, ResetLinkLifetime};
use crate::accounts::users::{NewUser, User, service};
use crate::cli::context::CliContext;
use crate::cli::output::{self, FormatFlags};
use crate::cli::prompt::{self, PasswordFlags};
use crate::cli::{CliError, print_stderr, print_stdout};
use crate::platform::clock;
use crate::platform::error::TxAbort;
use crate::platform::http::{IfMatch, validate};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users add
  rosterd users add ada
  rosterd users add ada --name 'Ada Lovelace' --email ada@example.org --admin
  pass show ada | rosterd users add ada --password-stdin --tag staff
  rosterd users add ada --generate-password --must-change-password
  rosterd users add robot --no-login --permission users.read --attr team=ops

Without a password, a link to set one is printed; it works once, within 24 hours.
Each switch has a --no- form.")]
pub struct AddUserArgs {
    /// 3 to 50 characters: a-z, 0-9, dot, underscore and hyphen; the first is a letter or digit. Without it, the command asks for
    /// username, role and password.
    username: Option<String>,
    #[command(flatten)]
    account: AccountFlags,
    #[command(flatten)]
    password: PasswordFlags,
    /// Accepted for other programs' scripts: the command asks for no confirmation.
    #[arg(long, short = 'y', alias = "assume-yes")]
    yes: bool,
    #[command(flatten)]
    format: FormatFlags,
}

/// The JSON output: the user with the generated password or the reset link, which are shown only once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedUser<'a> {
    #[serde(flatten)]
    user: &'a User,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_link: Option<&'a ResetLink>,
}

pub fn run(context: &CliContext<'_>, args: AddUserArgs) -> Result<(), CliError> {
    let AddUserArgs {
        username,
        mut account,
        password,
        yes: _,
        format,
    } = args;
    let is_interactive = username.is_none();
    let username = match username {
        Some(username) => username,
        None => ask_for_user(&mut account)?,
    };
    account.role.find_stored_name(context)?;
    if account
        .expires_at
        .is_some_and(|time| DateTime::from(time) <= clock::now())
    {
        let message = "--expires-at is in the past: give a future time, or use --no-login";
        return Err(CliError::Usage(message.to_owned()));
    }
    let new_user = NewUser {
        username,
        password: None,
        role: account.role.assigned().unwrap_or(USER).to_owned(),
        is_active: account.is_active(),
        attributes: account.attributes(),
        must_change_password: account.must_change_password().unwrap_or_default(),
        permissions: account.permission,
        display_name: account.name,
        email: account.email,
        tags: account.tag,
        expires_at_utc: account.expires_at,
        auth_provider: account.auth,
        auth_id: account.auth_id,
    };
    let (draft, _) = validate(new_user)?.check()?;
    let password = if is_interactive {
        print_stderr("Without a password, a link to set one is printed.");
        password.read_or_ask()?
    } else {
        password.read()?
    };
    let (hash, generated) = match password {
        Some(input) => (
            Some(context.hash_password(draft.password_owner(), input.password)?),
            input.generated,
        ),
        None => (None, None),
    };
    let actor: Can<needs::CreateUsers> = context.authorize()?;
    let can_reset: Can<needs::ResetPasswords> = context.authorize()?;
    // A user who can't sign in with a password needs no link.
    let needs_link = hash.is_none() && draft.is_active && draft.auth_provider.is_none();
    let (user, link) = context.db.write_now(|tx| {
        let user = service::create(tx, &actor, &draft, hash.as_ref())?;
        let link = if needs_link {
            let links = &context.reset_links()?;
            let any = &IfMatch::Absent;
            let created = password_reset::service::create(
                tx,
                &can_reset,
                links,
                user.id,
                ResetLinkLifetime::default(),
                any,
            );
            Some(created.map_err(TxAbort::into_rollback)?)
        } else {
            None
        };
        Ok((user, link))
    })?;
    report(format, &user, generated.as_deref(), link.as_ref())
}

/// Asks for the username and, unless a role was given, whether the user becomes an Admin.
fn ask_for_user(account: &mut AccountFlags) -> Result<String, CliError> {
    if !prompt::has_terminal() {
        let message = "the username is missing: rosterd users add USERNAME";
        return Err(CliError::Usage(message.to_owned()));
    }
    let username = prompt::read_line("Username: ", "USERNAME")?;
    if !account.role.is_given() {
        let answer = prompt::read_line("Admin [y/N]: ", "--admin")?;
        if matches!(answer.as_str(), "y" | "Y" | "yes" | "Yes") {
            account.role.set_admin();
        }
    }
    Ok(username)
}

fn report(
    format: FormatFlags,
    user: &User,
    password: Option<&str>,
    link: Option<&ResetLink>,
) -> Result<(), CliError> {
    if format.is_json() {
        return output::print_json(&CreatedUser {
            user,
            password,
            reset_link: link,
        });
    }
    super::report::report(format, user, "created")?;
    // CSV, TSV and Markdown have no column for secrets: they are printed to standard error.
    let print_secret = |text: &str| {
        if format.is_set() {
            print_stderr(text);
            Ok(())
        } else {
            print_stdout(&format!("{text}\n"))
        }
    };
    if let Some(password) = password {
        print_stderr("Password (shown only once):");
        print_secret(password)?;
    }
    if let Some(link) = link {
        print_stderr(&format!(
            "Password reset link, valid once, until {}:",
            output::Cell::from(link.expires_at_utc).into_display_text()
        ));
        print_secret(&link.url)?;
    }
    Ok(())
}
