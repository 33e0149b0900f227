//! `rosterd users mod`: everything that was asked for in one transaction, or nothing of it.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::Value;

use super::flags::AccountFlags;
use crate::access::authentication::{Can, needs};
use crate::access::passwords::{Chooser, PasswordHash};
use crate::accounts::users::service::{self, UserPatch};
use crate::accounts::users::{User, UserRow};
use crate::cli::Failure;
use crate::cli::ask::PasswordFlags;
use crate::cli::context::CliContext;
use crate::cli::output::FormFlags;
use crate::cli::{edited, print, tell};
use crate::platform::error::TxAbort;
use crate::platform::http::{IfMatch, Patch, validated};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users mod ada --name 'Ada King' --no-email
  rosterd users mod ada --superadmin
  rosterd users mod ada --permission users.read --no-permission audit.read
  rosterd users mod ada --tag staff --attr team=ops --no-attr phone
  rosterd users mod ada --expires-at 90d --must-change-password

Each flag has a --no- form: of a value it clears it, of a list it takes from it.")]
pub struct Arguments {
    /// The account: username, id or email address.
    account: String,
    /// Call it by another username.
    #[arg(long, value_name = "USERNAME")]
    username: Option<String>,
    #[command(flatten)]
    set: AccountFlags,
    #[command(flatten)]
    clear: ClearFlags,
    #[command(flatten)]
    password: PasswordFlags,
    /// Remove its second factor: the password alone signs it in then.
    #[arg(long = "disable-2fa")]
    disable_2fa: bool,
    #[command(flatten)]
    form: FormFlags,
}

/// The `--no-` forms of what has a value.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "a flag each, as they are typed"
)]
struct ClearFlags {
    /// Clear the display name.
    #[arg(long, conflicts_with = "name")]
    no_name: bool,
    /// Clear the email address.
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// Take this permission away; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    no_permission: Vec<String>,
    /// Let it be vouched for by this service again.
    #[arg(long, conflicts_with = "auth")]
    no_auth: bool,
    /// Clear the id at the outside provider.
    #[arg(long, conflicts_with = "auth_id")]
    no_auth_id: bool,
    /// Take this tag away; can be repeated.
    #[arg(long, value_name = "TAG")]
    no_tag: Vec<String>,
    /// Forget this attribute; can be repeated.
    #[arg(long, value_name = "KEY")]
    no_attr: Vec<String>,
    /// Let it be good for ever.
    #[arg(long, conflicts_with = "expires_at")]
    no_expires_at: bool,
}

pub fn run(desk: &CliContext<'_>, arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        account,
        username,
        set,
        clear,
        password,
        disable_2fa,
        form,
    } = arguments;
    let row = desk.account(&account)?;
    let chosen = password.given()?;
    let (hash, made_up) = match chosen {
        Some(chosen) => (
            Some(desk.hash(Chooser::Account(row.id), chosen.password)?),
            chosen.made_up,
        ),
        None => (None, None),
    };
    let wanted = Wanted {
        patch: patch(&row, username, &set, &clear),
        grants: edited(&row.permissions, &set.permission, &clear.no_permission),
        hash,
        disable_2fa,
    };
    if wanted.is_nothing() {
        return Err(Failure::nothing_to_change("rosterd users mod"));
    }
    let user = wanted.carry_out(desk, &row)?;
    super::report(form, &user, "changed")?;
    if let Some(text) = made_up {
        tell("Its password, shown once:");
        print(&format!("{text}\n"))?;
    }
    Ok(())
}

/// What is to become of the account.
struct Wanted {
    patch: UserPatch,
    grants: Option<Vec<String>>,
    hash: Option<PasswordHash>,
    disable_2fa: bool,
}

impl Wanted {
    fn is_nothing(&self) -> bool {
        self.patch.is_empty() && self.grants.is_none() && self.hash.is_none() && !self.disable_2fa
    }

    /// Does it all in one transaction. Only the first step can be refused for what the account is, so its refusal may be
    /// kept; whatever fails after it undoes it too.
    fn carry_out(self, desk: &CliContext<'_>, row: &UserRow) -> Result<User, Failure> {
        let update: Can<needs::UpdateUsers> = desk.may()?;
        let grant: Can<needs::ManagePermissions> = desk.may()?;
        let reset: Can<needs::ResetPasswords> = desk.may()?;
        let change = if self.patch.is_empty() {
            None
        } else {
            Some(validated(self.patch)?.check()?)
        };
        let (id, any) = (row.id, IfMatch::Absent);
        let as_read = IfMatch::Versions(vec![row.version]);
        Ok(desk.db.write_now(|tx| {
            let mut expected = &as_read;
            if let Some(change) = &change {
                service::change(tx, &update, id, change, expected)?;
                expected = &any;
            }
            if let Some(grants) = &self.grants {
                service::replace_permissions(tx, &grant, id, grants, expected)
                    .map_err(TxAbort::undone)?;
                expected = &any;
            }
            if let Some(hash) = &self.hash {
                service::reset_password(tx, &reset, id, hash, expected).map_err(TxAbort::undone)?;
                expected = &any;
            }
            if self.disable_2fa {
                service::remove_second_factor(tx, &reset, id, expected).map_err(TxAbort::undone)?;
            }
            Ok(service::show(tx, id)?)
        })?)
    }
}

fn patch(
    row: &UserRow,
    username: Option<String>,
    set: &AccountFlags,
    clear: &ClearFlags,
) -> UserPatch {
    let role = set.role.instead_of(&row.role).map(ToOwned::to_owned);
    UserPatch {
        username: given(username),
        display_name: given_or_cleared(set.name.clone(), clear.no_name),
        email: given_or_cleared(set.email.clone(), clear.no_email),
        role: given(role),
        tags: given(edited(&row.tags, &set.tag, &clear.no_tag)),
        attributes: given(attributes(set, &clear.no_attr)),
        must_change_password: given(set.must_change_password()),
        expires_at_utc: given_or_cleared::<DateTime<Utc>>(set.expires_at, clear.no_expires_at),
        auth_provider: given_or_cleared(set.auth.clone(), clear.no_auth),
        auth_id: given_or_cleared(set.auth_id.clone(), clear.no_auth_id),
        is_active: given(set.is_active()),
        ..UserPatch::default()
    }
}

fn given<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}

fn given_or_cleared<T>(value: Option<T>, is_cleared: bool) -> Patch<T> {
    if is_cleared {
        Patch::Clear
    } else {
        given(value)
    }
}

/// The merge patch that notes and forgets, if any were named.
fn attributes(set: &AccountFlags, forgotten: &[String]) -> Option<Value> {
    let mut members = set.attributes();
    members.extend(forgotten.iter().map(|key| (key.clone(), Value::Null)));
    (!members.is_empty()).then_some(Value::Object(members))
}
