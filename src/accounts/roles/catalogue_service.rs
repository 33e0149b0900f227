//! Reading the permission catalogue, registering permissions and removing them.

use serde_json::{Value, json};

use super::model::{NewPermission, Permission};
use super::read_model;
use super::store::{self, PermissionRow};
use crate::access::actor::{Actor, PermissionName};
use crate::access::authentication::{Can, needs, row_locks};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxResult};

/// The maximum number of permissions in the catalogue. An account can hold all of them, and its responses list them.
const MAX_PERMISSIONS: i64 = 2_000;

/// The whole catalogue, sorted by name.
///
/// # Errors
/// Database errors.
pub fn list_permissions(tx: &mut Tx<'_>) -> Result<Vec<Permission>, AppError> {
    Ok(store::catalogue(tx.conn)?
        .into_iter()
        .map(Permission::from)
        .collect())
}

/// The permission with this name.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show_permission(tx: &mut Tx<'_>, name: &str) -> Result<Permission, AppError> {
    let row = store::find_permission(tx.conn, name)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// Whether one of the permissions is one of rosterd itself.
///
/// # Errors
/// Database errors.
pub fn includes_built_in_permission(tx: &mut Tx<'_>, names: &[String]) -> Result<bool, AppError> {
    Ok(store::includes_built_in_permission(tx.conn, names)?)
}

/// Registers a permission.
///
/// # Errors
/// [`Code::RequestInvalid`] for an invalid name; [`Code::PermissionNameConflict`]; [`Code::PermissionLimitReached`].
pub fn register_permission(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageRoles>,
    new_permission: &NewPermission,
) -> TxResult<Permission> {
    let name = PermissionName::parse(&new_permission.name)
        .map_err(|error| AppError::invalid_field("/name", "invalid_format", error.to_string()))?;
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    row_locks::lock_caller(tx, caller)?;
    caller.current_authority(tx)?;
    let row = new_row(tx, &name, new_permission.description.clone());
    tx.invalidate(Invalidation::All);
    store::insert_permission(tx.conn, &row)
        .on_constraint("permissions_pkey", Code::PermissionNameConflict)?;
    check_catalogue_size(tx)?;
    let entry = AuditEntry::new("permission.register", Subject::Permission(row.name.clone()))
        .with_change(Value::Null, json!({"description": row.description}));
    audit::record(tx, caller, entry)?;
    Ok(row.into())
}

/// Registers the names that the catalogue lacks: those of `ROSTERD_PERMISSIONS` at start-up.
///
/// # Errors
/// [`Code::PermissionLimitReached`]; database errors.
pub fn register_missing(tx: &mut Tx<'_>, names: &[PermissionName]) -> TxResult<()> {
    let rows: Vec<PermissionRow> = names.iter().map(|name| new_row(tx, name, None)).collect();
    let row_names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    let known = store::known_permissions(tx.conn, &row_names)?;
    if store::insert_missing_permissions(tx.conn, &rows)? > 0 {
        check_catalogue_size(tx)?;
    }
    for row in rows.into_iter().filter(|row| !known.contains(&row.name)) {
        let entry = AuditEntry::new("permission.register", Subject::Permission(row.name));
        audit::record(tx, &Actor::system(), entry)?;
    }
    Ok(())
}

/// Removes a permission from the catalogue.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::PermissionBuiltIn`]; [`Code::PermissionInUse`] with the number of holders.
pub fn unregister_permission(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageRoles>,
    name: &str,
) -> TxResult<()> {
    tx.wait_for_leases();
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    row_locks::lock_caller(tx, caller)?;
    caller.current_authority(tx)?;
    let entry = || {
        AuditEntry::new(
            "permission.unregister",
            Subject::Permission(name.to_owned()),
        )
    };
    let row = store::find_permission(tx.conn, name)?.ok_or(Code::NotFound)?;
    if row.built_in {
        return Err(audit::deny(tx, caller, entry(), Code::PermissionBuiltIn));
    }
    let holders = read_model::count_permission_holders(tx.conn, name)?;
    if holders > 0 {
        let error = AppError::new(Code::PermissionInUse)
            .with_detail(format!(
                "{holders} accounts, roles or service clients have this permission."
            ))
            .with_extension("count", holders);
        return Err(audit::deny(tx, caller, entry(), error));
    }
    tx.invalidate(Invalidation::All);
    store::delete_permission(tx.conn, name)?;
    let entry = entry().with_change(json!({"description": row.description}), Value::Null);
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Checks the size of the catalogue after an insert. The caller holds the exclusive lock, so the count is exact.
fn check_catalogue_size(tx: &mut Tx<'_>) -> Result<(), AppError> {
    if store::count_permissions(tx.conn)? <= MAX_PERMISSIONS {
        return Ok(());
    }
    let detail = format!("The catalogue can have at most {MAX_PERMISSIONS} permissions.");
    Err(AppError::new(Code::PermissionLimitReached).with_detail(detail))
}

fn new_row(tx: &Tx<'_>, name: &PermissionName, description: Option<String>) -> PermissionRow {
    PermissionRow {
        name: name.as_str().to_owned(),
        description,
        built_in: false,
        created_at: tx.now,
    }
}
