//! `rosterd users`: manages users.

mod account_flags;
mod add;
mod bulk;
mod list;
mod modify;
mod permissions;
mod report;
mod reset;
mod reset_link;

use clap::Subcommand;

use super::CliError;
use super::context::with_context;
use super::output::{self, Cell, Column, FormatFlags, TableRow};
use crate::accounts::user_admin::bulk::BulkAction;
use crate::accounts::users::{User, service};
use crate::platform::config::Config;

#[derive(Subcommand)]
pub enum UsersCommand {
    /// List users, newest first.
    Ls(list::ListUsersArgs),
    /// Show one user.
    #[command(after_help = "\
Examples:
  rosterd users show ada
  rosterd users show ada@example.org --json")]
    Show {
        /// Username, id or email address.
        name: String,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Create a user; without a password, a link to set one is printed.
    Add(add::AddUserArgs),
    /// Update a user.
    Mod(modify::ModifyUserArgs),
    /// Delete users; `restore` undoes it, but not after --purge.
    #[command(after_help = "\
Examples:
  rosterd users rm ada
  rosterd users rm ada grace --yes
  rosterd users rm ada --purge
  rosterd users rm --tag trial --dry-run

Of a purged user only ids remain, in the audit log.")]
    Rm(bulk::DeleteUsersArgs),
    /// Restore deleted users.
    #[command(after_help = "Example:\n  rosterd users restore ada")]
    Restore(bulk::NamedUsersArgs),
    /// Purge every user that is not a SuperAdmin.
    Reset(reset::ResetUsersArgs),
    /// Enable users: they can sign in again.
    #[command(after_help = "\
Examples:
  rosterd users activate ada grace
  rosterd users activate --tag staff --dry-run")]
    Activate(bulk::SelectedUsersArgs),
    /// Disable users: end their sessions and tokens, and refuse sign-in.
    #[command(after_help = "\
Examples:
  rosterd users deactivate ada grace
  rosterd users deactivate --email-domain example.org --dry-run
  rosterd users deactivate --tag trial --yes

A filter selects active users only, and asks for confirmation.")]
    Deactivate(bulk::SelectedUsersArgs),
    /// End all sessions of users; with --tokens, their personal access tokens too.
    #[command(after_help = "\
Examples:
  rosterd users sign-out ada
  rosterd users sign-out ada --tokens
  rosterd users sign-out --role Admin --yes")]
    SignOut(bulk::SignOutArgs),
    /// Create a link with which the password of a user can be set once.
    ResetLink(reset_link::ResetLinkArgs),
    /// Add tags to a user.
    #[command(after_help = "Example:\n  rosterd users tag ada staff london")]
    Tag(bulk::TagsArgs),
    /// Remove tags from a user.
    #[command(after_help = "Example:\n  rosterd users untag ada london")]
    Untag(bulk::TagsArgs),
    /// Mark email addresses as confirmed.
    #[command(after_help = "Example:\n  rosterd users confirm ada grace")]
    Confirm(bulk::NamedUsersArgs),
    /// Mark email addresses as not confirmed.
    #[command(after_help = "Example:\n  rosterd users unconfirm ada")]
    Unconfirm(bulk::NamedUsersArgs),
    /// Manage the permissions granted directly to a user.
    #[command(subcommand)]
    Permissions(permissions::UserPermissionsCommand),
    /// Check whether a user can use a permission now: exit status 0 for yes, 3 for no, 1 for an error.
    Can(permissions::CanArgs),
}

pub fn run(config: &Config, command: UsersCommand) -> Result<(), CliError> {
    with_context(config, |context| match command {
        UsersCommand::Ls(args) => list::run(context, args),
        UsersCommand::Show { name, format } => {
            let row = context.find_account(&name)?;
            let user = context
                .db
                .read_now(|tx| service::to_response(tx, row.clone()))?;
            output::show(format, &user)
        }
        UsersCommand::Add(args) => add::run(context, args),
        UsersCommand::Mod(args) => modify::run(context, args),
        UsersCommand::Rm(args) => bulk::delete(context, args),
        UsersCommand::Restore(args) => bulk::run_on_named(context, &BulkAction::Restore, &args),
        UsersCommand::Reset(args) => reset::run(context, &args),
        UsersCommand::Activate(users) => {
            bulk::run_on_selected(context, &BulkAction::Enable, "Activate", Some(false), users)
        }
        UsersCommand::Deactivate(users) => bulk::run_on_selected(
            context,
            &BulkAction::Disable,
            "Deactivate",
            Some(true),
            users,
        ),
        UsersCommand::SignOut(args) => bulk::sign_out(context, args),
        UsersCommand::ResetLink(args) => reset_link::run(context, &args),
        UsersCommand::Tag(args) => bulk::run_tags(context, BulkAction::Tag, args),
        UsersCommand::Untag(args) => bulk::run_tags(context, BulkAction::Untag, args),
        UsersCommand::Confirm(args) => {
            bulk::run_on_named(context, &BulkAction::ConfirmEmail(true), &args)
        }
        UsersCommand::Unconfirm(args) => {
            bulk::run_on_named(context, &BulkAction::ConfirmEmail(false), &args)
        }
        UsersCommand::Permissions(command) => permissions::run(context, command),
        UsersCommand::Can(args) => permissions::run_can(context, &args),
    })
}

impl TableRow for User {
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
