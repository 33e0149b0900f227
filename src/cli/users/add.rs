//! `rosterd users add`: creates a user.

use clap::Args;
use serde::Serialize;

use super::account_flags::AccountFlags;
use crate::access::actor::USER;
use crate::access::authentication::{Can, needs};
use crate::accounts::password_reset::{self, ResetLink, ResetLinkLifetime};
use crate::accounts::users::{NewUser, User, service};
use crate::cli::context::CliContext;
use crate::cli::output::{self, FormatFlags};
use crate::cli::prompt::PasswordFlags;
use crate::cli::{CliError, print_stderr, print_stdout};
use crate::platform::error::TxAbort;
use crate::platform::http::{IfMatch, validate};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users add ada
  rosterd users add ada --name 'Ada Lovelace' --email ada@example.org --admin
  pass show ada | rosterd users add ada --password-stdin --tag staff
  rosterd users add ada --generate-password --must-change-password
  rosterd users add robot --no-login --permission users.read --attr team=ops

Without a password, a link to set one is printed; it works once, within 24 hours.
Each switch has a --no- form.")]
pub struct AddUserArgs {
    /// 3 to 50 characters: a-z, 0-9, dot, underscore and hyphen; the first is a letter or digit.
    username: String,
    #[command(flatten)]
    account: AccountFlags,
    #[command(flatten)]
    password: PasswordFlags,
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
        account,
        password,
        format,
    } = args;
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
    let (hash, generated) = match password.read()? {
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
