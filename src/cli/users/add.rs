//! `rosterd users add`.

use clap::Args;
use serde::Serialize;

use super::flags::AccountFlags;
use crate::access::authentication::{Can, needs};
use crate::accounts::password_reset::{self, Lifetime, ResetLink};
use crate::accounts::roles::USER;
use crate::accounts::users::User;
use crate::accounts::users::service::{self, NewUser};
use crate::cli::ask::PasswordFlags;
use crate::cli::context::CliContext;
use crate::cli::output::{self, FormFlags};
use crate::cli::{Failure, print, tell};
use crate::platform::error::TxAbort;
use crate::platform::http::{IfMatch, validated};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users add ada
  rosterd users add ada --name 'Ada Lovelace' --email ada@example.org --admin
  pass show ada | rosterd users add ada --password-stdin --tag staff
  rosterd users add ada --generate-password --must-change-password
  rosterd users add robot --no-login --permission users.read --attr team=ops

Without a password, a link is printed with which one is set, once, within a day.
Each switch has a --no- form.")]
pub struct Arguments {
    /// 3 to 50 of a-z, 0-9, dot, underscore and hyphen; a letter or digit first.
    username: String,
    #[command(flatten)]
    account: AccountFlags,
    #[command(flatten)]
    password: PasswordFlags,
    #[command(flatten)]
    form: FormFlags,
}

/// What is shown of an account that was just made, with what is shown only once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    #[serde(flatten)]
    user: &'a User,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_link: Option<&'a ResetLink>,
}

pub fn run(desk: &CliContext<'_>, arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        username,
        account,
        password,
        form,
    } = arguments;
    let new = NewUser {
        username,
        password: None,
        role: account.role.given().unwrap_or(USER).to_owned(),
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
    let (draft, _) = validated(new)?.check()?;
    let (hash, made_up) = match password.given()? {
        Some(chosen) => (
            Some(desk.hash(draft.chooser(), chosen.password)?),
            chosen.made_up,
        ),
        None => (None, None),
    };
    let by: Can<needs::CreateUsers> = desk.may()?;
    let may_link: Can<needs::ResetPasswords> = desk.may()?;
    // A link to an account that can't sign in would be good for nothing.
    let wants_link = hash.is_none() && draft.is_active && draft.auth_provider.is_none();
    let (user, link) = desk.db.write_now(|tx| {
        let user = service::create(tx, &by, &draft, hash.as_ref())?;
        let link = if wants_link {
            let page = &desk.config.reset_page;
            let any = &IfMatch::Absent;
            let made = password_reset::service::create(
                tx,
                &may_link,
                page,
                user.id,
                Lifetime::default(),
                any,
            );
            Some(made.map_err(TxAbort::undone)?)
        } else {
            None
        };
        Ok((user, link))
    })?;
    report(form, &user, made_up.as_deref(), link.as_ref())
}

fn report(
    form: FormFlags,
    user: &User,
    password: Option<&str>,
    link: Option<&ResetLink>,
) -> Result<(), Failure> {
    if form.is_json() {
        return output::print_json(&Made {
            user,
            password,
            reset_link: link,
        });
    }
    super::report(form, user, "made")?;
    // In a form for programs, what is shown once is no part of the answer.
    let show = |text: &str| {
        if form.is_asked() {
            tell(text);
            Ok(())
        } else {
            print(&format!("{text}\n"))
        }
    };
    if let Some(password) = password {
        tell("Its password, shown once:");
        show(password)?;
    }
    if let Some(link) = link {
        tell(&format!(
            "Its password is set with this link, once, until {}:",
            output::Cell::from(link.expires_at_utc).plain()
        ));
        show(&link.url)?;
    }
    Ok(())
}
