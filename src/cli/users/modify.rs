//! `rosterd users mod`: applies all requested changes in one transaction.

use clap::Args;
use serde_json::Value;

use super::account_flags::AccountFlags;
use crate::access::authentication::{Can, needs};
use crate::access::passwords::{PasswordHash, PasswordOwner};
use crate::access::tokens::PersonalTokens;
use crate::accounts::credentials;
use crate::accounts::user_admin;
use crate::accounts::users::{User, UserPatch, UserRow, service};
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::output::FormatFlags;
use crate::cli::prompt::PasswordFlags;
use crate::cli::{edit_list, print_stderr, print_stdout};
use crate::platform::error::TxAbort;
use crate::platform::http::{IfMatch, PatchField, validate};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd users mod ada --name 'Ada King' --no-email
  rosterd users mod ada --superadmin
  rosterd users mod ada --permission users.read --no-permission audit.read
  rosterd users mod ada --tag staff --attr team=ops --no-attr phone
  rosterd users mod ada --expires-at 90d --must-change-password

Each flag has a --no- form, which clears a value or removes an entry from a list.")]
pub struct ModifyUserArgs {
    /// Username, id or email address.
    user: String,
    /// Change the username.
    #[arg(long, value_name = "USERNAME")]
    username: Option<String>,
    #[command(flatten)]
    set: AccountFlags,
    #[command(flatten)]
    clear: ClearFlags,
    #[command(flatten)]
    password: PasswordFlags,
    /// Keep the personal access tokens of the user when the password is set.
    #[arg(long, requires = "password-source")]
    keep_tokens: bool,
    // Hidden as long as no user can have a second factor.
    /// Remove the second factor; the password alone is then enough to sign in.
    #[arg(long = "disable-2fa", hide = true, help_heading = None::<&'static str>)]
    disable_2fa: bool,
    #[command(flatten)]
    format: FormatFlags,
}

/// The `--no-` forms of flags with a value.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "one field per command-line flag"
)]
struct ClearFlags {
    /// Clear the display name.
    #[arg(long, conflicts_with = "name")]
    no_name: bool,
    /// Clear the email address.
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// Remove this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    no_permission: Vec<String>,
    /// Reset the authentication provider to local.
    #[arg(long, conflicts_with = "auth")]
    no_auth: bool,
    /// Clear the user's id from the external authentication provider.
    #[arg(long, conflicts_with = "auth_id")]
    no_auth_id: bool,
    /// Remove this tag; can be repeated.
    #[arg(long, value_name = "TAG")]
    no_tag: Vec<String>,
    /// Remove this attribute; can be repeated.
    #[arg(long, value_name = "KEY")]
    no_attr: Vec<String>,
    /// Clear the expiry time.
    #[arg(long, conflicts_with = "expires_at")]
    no_expires_at: bool,
}

pub fn run(context: &CliContext<'_>, args: ModifyUserArgs) -> Result<(), CliError> {
    let ModifyUserArgs {
        user,
        username,
        mut set,
        clear,
        password,
        keep_tokens,
        disable_2fa,
        format,
    } = args;
    let row = context.find_account(&user)?;
    set.role.find_stored_name(context)?;
    let (hash, generated) = match password.read()? {
        Some(input) => (
            Some(context.hash_password(PasswordOwner::ExistingAccount(row.id), input.password)?),
            input.generated,
        ),
        None => (None, None),
    };
    let changes = RequestedChanges {
        patch: patch(&row, username, &set, &clear),
        permissions: edit_list(&row.permissions, &set.permission, &clear.no_permission),
        hash,
        tokens: PersonalTokens::end_unless(keep_tokens),
        disable_2fa,
    };
    if changes.is_empty() {
        return Err(CliError::nothing_to_change("rosterd users mod"));
    }
    let user = changes.apply(context, &row)?;
    super::report::report(format, &user, "updated")?;
    if let Some(password) = generated {
        print_stderr("Password (shown only once):");
        print_stdout(&format!("{password}\n"))?;
    }
    Ok(())
}

/// The requested changes of one user.
struct RequestedChanges {
    patch: UserPatch,
    permissions: Option<Vec<String>>,
    hash: Option<PasswordHash>,
    /// What happens to the personal access tokens when the password is set.
    tokens: PersonalTokens,
    disable_2fa: bool,
}

impl RequestedChanges {
    fn is_empty(&self) -> bool {
        self.patch.is_empty()
            && self.permissions.is_none()
            && self.hash.is_none()
            && !self.disable_2fa
    }

    /// Applies all changes in one transaction. A refusal of the first step commits its audit entry; an error in a later
    /// step rolls everything back.
    fn apply(self, context: &CliContext<'_>, row: &UserRow) -> Result<User, CliError> {
        let can_update: Can<needs::UpdateUsers> = context.authorize()?;
        let can_grant: Can<needs::ManagePermissions> = context.authorize()?;
        let can_reset: Can<needs::ResetPasswords> = context.authorize()?;
        let change = if self.patch.is_empty() {
            None
        } else {
            Some(validate(self.patch)?.check()?)
        };
        let (id, any_version) = (row.id, IfMatch::Absent);
        let if_match = IfMatch::Versions(vec![row.version]);
        Ok(context.db.write_now(|tx| {
            if self.permissions.is_some() {
                // Before the row locks of the first step.
                service::lock_authority(tx)?;
            }
            let mut expected = &if_match;
            if let Some(change) = &change {
                user_admin::service::update(tx, &can_update, id, change, expected)?;
                expected = &any_version;
            }
            if let Some(permissions) = &self.permissions {
                user_admin::service::replace_permissions(tx, &can_grant, id, permissions, expected)
                    .map_err(TxAbort::into_rollback)?;
                expected = &any_version;
            }
            if let Some(hash) = &self.hash {
                let tokens = self.tokens;
                credentials::service::reset_password(tx, &can_reset, id, hash, tokens, expected)
                    .map_err(TxAbort::into_rollback)?;
                expected = &any_version;
            }
            if self.disable_2fa {
                credentials::service::remove_second_factor(tx, &can_reset, id, expected)
                    .map_err(TxAbort::into_rollback)?;
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
    let role = set.role.replacement_for(&row.role).map(ToOwned::to_owned);
    UserPatch {
        username: to_patch_field(username),
        display_name: to_patch_field_or_clear(set.name.clone(), clear.no_name),
        email: to_patch_field_or_clear(set.email.clone(), clear.no_email),
        role: to_patch_field(role),
        tags: to_patch_field(edit_list(&row.tags, &set.tag, &clear.no_tag)),
        attributes: to_patch_field(attributes(set, &clear.no_attr)),
        must_change_password: to_patch_field(set.must_change_password()),
        expires_at_utc: to_patch_field_or_clear(set.expires_at, clear.no_expires_at),
        auth_provider: to_patch_field_or_clear(set.auth.clone(), clear.no_auth),
        auth_id: to_patch_field_or_clear(set.auth_id.clone(), clear.no_auth_id),
        is_active: to_patch_field(set.is_active()),
        // Changed by `users confirm` and `users unconfirm`.
        email_confirmed: PatchField::Keep,
    }
}

fn to_patch_field<T>(value: Option<T>) -> PatchField<T> {
    value.map_or(PatchField::Keep, PatchField::Set)
}

fn to_patch_field_or_clear<T>(value: Option<T>, is_cleared: bool) -> PatchField<T> {
    if is_cleared {
        PatchField::Clear
    } else {
        to_patch_field(value)
    }
}

/// The merge patch of the attributes; `None` without changes.
fn attributes(set: &AccountFlags, removed: &[String]) -> Option<Value> {
    let mut members = set.attributes();
    members.extend(removed.iter().map(|key| (key.clone(), Value::Null)));
    (!members.is_empty()).then_some(Value::Object(members))
}
