//! Changing and deleting roles, with the accounts that have them.

use serde_json::Value;

use crate::access::actor::Authority;
use crate::access::authentication::{Can, needs, row_locks};
use crate::accounts::lifecycle;
use crate::accounts::roles::{
    self, ManagedRole, Role, RoleAction, RoleChangeset, RoleRow, ValidatedRoleChange,
};
use crate::accounts::users::{self, RoleReassignment};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::http::IfMatch;

/// Changes a role. Renaming a role that accounts have needs `move_to`: the role that they get, which can be the new name.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::PermissionUnknown`]; [`Code::RequestInvalid`] for an invalid `move_to`; 403 by the policies for
/// roles and, when accounts move, for accounts; [`Code::PreconditionFailed`]; [`Code::RoleInUse`] with the number of accounts;
/// [`Code::RoleNameConflict`].
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageRoles>,
    name: &str,
    change: &ValidatedRoleChange,
    move_to: Option<&str>,
    if_match: &IfMatch,
) -> TxResult<Role> {
    tx.wait_for_leases();
    let authority = lock(tx, caller, name, |tx| {
        Ok(move_to.is_some() || may_end_credentials(tx, name, change)?)
    })?;
    let permissions = change
        .permissions()
        .map(|names| roles::service::resolve_permissions(tx, names))
        .transpose()?;
    let name = &stored_name(tx, name)?;
    let operation = match change.name() {
        Some(new_name) if new_name != name => RoleOperation::Rename(new_name),
        _ => RoleOperation::KeepName,
    };
    let destination = resolve_destination(tx, name, &operation, move_to)?;
    let role = LockedRole::lock(tx, authority, name, "role.update")?;
    let changes = change.changeset_for(&role.row, permissions);
    role.authorize(tx, caller, &actions_of(&role.row, &changes))?;
    let after = changes.applied_to(&role.row);
    let reassignment = role.prepare_reassignment(tx, caller, destination, &after)?;
    let must_be_unused = changes.name.is_some() && reassignment.is_none();
    role.check_preconditions(tx, caller, if_match, must_be_unused)?;
    roles::service::update_row(tx, name, &changes)?;
    let entry = role
        .entry()
        .with_diff(roles::service::diff(&role.row, &after));
    audit::record(tx, caller, entry)?;
    match reassignment {
        Some(reassignment) => {
            lifecycle::service::apply_role_reassignment(tx, caller, &reassignment)?;
        }
        None if raises_management_authority(tx, &role.row, &after)? => {
            lifecycle::service::end_credentials_of_others_in_role(tx, caller, &after.name)?;
        }
        None if raises_authority(&role.row, &after) => {
            lifecycle::service::end_links_and_tokens_of_others_in_role(tx, &after.name)?;
        }
        None => {}
    }
    roles::service::show(tx, &after.name).map_err(TxAbort::from)
}

/// Deletes a role. The accounts that have it get the role `move_to`.
///
/// # Errors
/// As [`update`].
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageRoles>,
    name: &str,
    move_to: Option<&str>,
    if_match: &IfMatch,
) -> TxResult<()> {
    tx.wait_for_leases();
    let authority = lock(tx, caller, name, |_| Ok(move_to.is_some()))?;
    let name = &stored_name(tx, name)?;
    let destination = resolve_destination(tx, name, &RoleOperation::Delete, move_to)?;
    let role = LockedRole::lock(tx, authority, name, "role.delete")?;
    role.authorize(tx, caller, &[RoleAction::Delete])?;
    let reassignment = role.prepare_reassignment(tx, caller, destination, &role.row)?;
    role.check_preconditions(tx, caller, if_match, reassignment.is_none())?;
    if let Some(reassignment) = reassignment {
        lifecycle::service::apply_role_reassignment(tx, caller, &reassignment)?;
    }
    roles::service::delete_row(tx, name)?;
    let before = roles::service::fields(&role.row);
    audit::record(
        tx,
        caller,
        role.entry().with_change(before.into(), Value::Null),
    )?;
    Ok(())
}

/// Takes the locks, then reads the caller's authority. The accounts of the role are locked if `locks_accounts` says so, together
/// with the caller and before the role itself: this is the order of all operations.
fn lock(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageRoles>,
    role: &str,
    locks_accounts: impl FnOnce(&mut Tx<'_>) -> Result<bool, AppError>,
) -> Result<Authority, AppError> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    if locks_accounts(tx)? {
        let role = stored_name(tx, role)?;
        users::service::lock_role_and_caller(tx, &role, caller)?;
    } else {
        row_locks::lock_caller(tx, caller)?;
    }
    caller.current_authority(tx)
}

/// Whether the change can end credentials of the accounts that have the role, see
/// [`lifecycle::service::end_credentials_of_others_in_role`].
fn may_end_credentials(
    tx: &mut Tx<'_>,
    name: &str,
    change: &ValidatedRoleChange,
) -> Result<bool, AppError> {
    let before = match roles::service::find_row(tx, name) {
        Ok(row) => row,
        Err(error) if error.code() == Code::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let permissions = change.permissions().map(<[String]>::to_vec);
    let after = change
        .changeset_for(&before, permissions)
        .applied_to(&before);
    raises_management_authority(tx, &before, &after)
}

/// The name of the role as it is stored: a path can write it in another case. The given name if there is no such role.
fn stored_name(tx: &mut Tx<'_>, name: &str) -> Result<String, AppError> {
    match roles::service::find_row(tx, name) {
        Ok(row) => Ok(row.name),
        Err(error) if error.code() == Code::NotFound => Ok(name.to_owned()),
        Err(error) => Err(error),
    }
}

/// What an operation does to the name of a role.
enum RoleOperation<'a> {
    /// The role keeps its name.
    KeepName,
    /// The role gets this name.
    Rename(&'a str),
    /// The role is deleted.
    Delete,
}

/// Which role the accounts get.
enum Destination {
    /// None: the role must not have any accounts.
    None,
    /// The same role under its new name.
    SameRole,
    /// Another role.
    Other(Role),
}

fn resolve_destination(
    tx: &mut Tx<'_>,
    name: &str,
    operation: &RoleOperation<'_>,
    move_to: Option<&str>,
) -> Result<Destination, AppError> {
    let invalid = |code, detail| AppError::invalid_field("?moveTo", code, detail);
    match (operation, move_to) {
        (_, None) => Ok(Destination::None),
        (RoleOperation::KeepName, Some(_)) => Err(invalid(
            "invalid_value",
            "is only allowed when the role is renamed or deleted",
        )),
        (RoleOperation::Rename(new_name), Some(to)) if new_name.eq_ignore_ascii_case(to) => {
            Ok(Destination::SameRole)
        }
        (_, Some(to)) => match roles::service::find(tx, to) {
            Ok(role) if role.name != name => Ok(Destination::Other(role)),
            Err(error) if error.code() != Code::NotFound => Err(error),
            _ => Err(invalid("role_unknown", "no other role has this name")),
        },
    }
}

/// A role to change. The lock on [`Invariant::Authority`](advisory_lock::Invariant::Authority) prevents changes of the role
/// and of everything that the decision depends on.
struct LockedRole {
    action_name: &'static str,
    row: RoleRow,
    authority: Authority,
}

impl LockedRole {
    fn lock(
        tx: &mut Tx<'_>,
        authority: Authority,
        name: &str,
        action_name: &'static str,
    ) -> Result<Self, AppError> {
        Ok(Self {
            action_name,
            row: roles::service::find_row(tx, name)?,
            authority,
        })
    }

    fn entry(&self) -> AuditEntry {
        AuditEntry::new(self.action_name, Subject::Role(self.row.name.clone()))
    }

    fn authorize(
        &self,
        tx: &mut Tx<'_>,
        caller: &Can<needs::ManageRoles>,
        actions: &[RoleAction],
    ) -> TxResult<()> {
        let target = ManagedRole {
            name: &self.row.name,
            rank: self.row.rank,
            is_built_in: self.row.built_in,
        };
        roles::check_actions(&self.authority, &target, actions)
            .map_err(|denied| audit::deny(tx, caller, self.entry(), denied))
    }

    /// Checks that all accounts of the role may get the role at `destination`; `after` is this role after the change.
    fn prepare_reassignment(
        &self,
        tx: &mut Tx<'_>,
        caller: &Can<needs::ManageRoles>,
        destination: Destination,
        after: &RoleRow,
    ) -> TxResult<Option<RoleReassignment>> {
        let to = match destination {
            Destination::None => return Ok(None),
            Destination::SameRole => after.clone().into(),
            Destination::Other(role) => role,
        };
        let from = Role::from(self.row.clone());
        let entry = || self.entry();
        users::service::prepare_role_reassignment(tx, caller, &self.authority, &from, &to, &entry)
            .map(Some)
    }

    fn check_preconditions(
        &self,
        tx: &mut Tx<'_>,
        caller: &Can<needs::ManageRoles>,
        if_match: &IfMatch,
        must_be_unused: bool,
    ) -> TxResult<()> {
        if_match.check(self.row.version)?;
        let accounts = users::service::count_by_role(tx, &self.row.name)?;
        if must_be_unused && accounts > 0 {
            let error = AppError::new(Code::RoleInUse)
                .with_detail(format!(
                    "{accounts} accounts have this role, including deleted ones."
                ))
                .with_extension("count", accounts);
            return Err(audit::deny(tx, caller, self.entry(), error));
        }
        Ok(())
    }
}

/// Whether the role has a higher rank than before, or a permission that it did not have.
fn raises_authority(before: &RoleRow, after: &RoleRow) -> bool {
    after.rank > before.rank || added_permissions(before, after).next().is_some()
}

/// Whether the role has a higher rank than before, or one of the permissions of rosterd itself that it did not have.
fn raises_management_authority(
    tx: &mut Tx<'_>,
    before: &RoleRow,
    after: &RoleRow,
) -> Result<bool, AppError> {
    let added: Vec<String> = added_permissions(before, after).cloned().collect();
    Ok(after.rank > before.rank || roles::service::includes_built_in_permission(tx, &added)?)
}

fn added_permissions<'a>(
    before: &'a RoleRow,
    after: &'a RoleRow,
) -> impl Iterator<Item = &'a String> {
    let is_added = |name: &&String| !before.permissions.contains(name);
    after.permissions.iter().filter(is_added)
}

fn actions_of(row: &RoleRow, changes: &RoleChangeset) -> Vec<RoleAction> {
    let mut actions = vec![RoleAction::Describe];
    if changes.name.is_some() {
        actions.push(RoleAction::Rename);
    }
    actions.extend(changes.rank.map(RoleAction::SetRank));
    if let Some(permissions) = &changes.permissions {
        let is_added = |name: &&String| !row.permissions.contains(name);
        actions.push(RoleAction::Withdraw);
        actions.push(RoleAction::Grant(
            permissions.iter().filter(is_added).cloned().collect(),
        ));
    }
    actions
}
