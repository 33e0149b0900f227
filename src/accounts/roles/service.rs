//! Creates roles, and stores the changes that `role_update_delete` has authorized.

use serde_json::{Map, Value, json};

use super::input::ValidatedRole;
use super::model::Role;
use super::policy;
use super::store::{self, RoleChangeset, RoleRow};
use crate::access::authentication::{Can, needs, row_locks};
use crate::audit::{self, AuditEntry, FieldDiff, Subject};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};

pub use super::catalogue_service::{
    includes_built_in_permission, list_permissions, register_missing, register_permission,
    show_permission, unregister_permission,
};
pub use super::lookup::{
    catalogue_names, check, find, list, names_in_catalogue, permission_names, permissions_by_role,
    resolve_permissions, show,
};

/// Creates a role.
///
/// # Errors
/// [`Code::PermissionUnknown`]; 403 if the caller may not manage the role; [`Code::RoleNameConflict`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageRoles>,
    draft: &ValidatedRole,
) -> TxResult<Role> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    row_locks::lock_caller(tx, caller)?;
    let authority = caller.current_authority(tx)?;
    let permissions = resolve_permissions(tx, &draft.permissions)?;
    let entry = || AuditEntry::new("role.create", Subject::Role(draft.name.as_str().to_owned()));
    if let Err(denied) = policy::check_creation(&authority, draft.rank, &permissions) {
        return Err(audit::deny(tx, caller, entry(), denied));
    }
    let row = RoleRow {
        name: draft.name.as_str().to_owned(),
        rank: draft.rank,
        description: draft.description.clone(),
        permissions,
        built_in: false,
        version: 1,
        created_at: tx.now,
        updated_at: tx.now,
    };
    map_name_conflict(store::insert(tx.conn, &row))?;
    audit::record(
        tx,
        caller,
        entry().with_change(Value::Null, fields(&row).into()),
    )?;
    show(tx, &row.name).map_err(TxAbort::from)
}

/// The row of the role with this name.
///
/// # Errors
/// [`Code::NotFound`].
pub(crate) fn find_row(tx: &mut Tx<'_>, name: &str) -> Result<RoleRow, AppError> {
    store::find_role(tx.conn, name)?.ok_or_else(|| Code::NotFound.into())
}

/// Writes the changes of a role. All accounts that have it are affected at their next request.
///
/// # Errors
/// [`Code::RoleNameConflict`].
pub(crate) fn update_row(
    tx: &mut Tx<'_>,
    name: &str,
    changes: &RoleChangeset,
) -> Result<(), AppError> {
    if *changes != RoleChangeset::default() {
        map_name_conflict(store::update(tx.conn, name, tx.now, changes))?;
        tx.invalidate(Invalidation::All);
    }
    Ok(())
}

/// Deletes a role.
///
/// # Errors
/// [`Code::RoleInUse`].
pub(crate) fn delete_row(tx: &mut Tx<'_>, name: &str) -> Result<(), AppError> {
    store::delete(tx.conn, name).on_constraint("users_role_fkey", Code::RoleInUse)?;
    Ok(())
}

/// The audited difference between two versions of a role.
pub(crate) fn diff(before: &RoleRow, after: &RoleRow) -> FieldDiff {
    FieldDiff::between(fields(before), fields(after))
}

/// The fields of a role that a caller can set, for the audit log.
pub(crate) fn fields(row: &RoleRow) -> Map<String, Value> {
    let fields = [
        ("name", json!(row.name)),
        ("rank", json!(row.rank)),
        ("permissions", json!(row.permissions)),
        ("description", json!(row.description)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn map_name_conflict(result: impl OnConstraint<usize>) -> Result<usize, AppError> {
    result
        .on_constraint("roles_pkey", Code::RoleNameConflict)
        .on_constraint("roles_name_lower_key", Code::RoleNameConflict)
}
