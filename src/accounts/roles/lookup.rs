//! Reading roles, and resolving the names of permissions.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{PermissionCheck, Role};
use super::store;
use crate::access::actor::{PermissionName, PermissionSet};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, FieldError};

/// All roles, the highest rank first.
///
/// # Errors
/// Database errors.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Role>, AppError> {
    let rows = store::all_roles(tx.conn)?;
    let catalogue = store::catalogue_names(tx.conn)?;
    let with_names = |row| {
        let role = Role::from(row);
        let permissions = names_in_catalogue(&role.authority(&[]).permissions, &catalogue);
        Role {
            permissions,
            ..role
        }
    };
    Ok(rows.into_iter().map(with_names).collect())
}

/// The role with this name, as the API shows it.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, name: &str) -> Result<Role, AppError> {
    let role = find(tx, name)?;
    let permissions = permission_names(tx, &role.authority(&[]).permissions)?;
    Ok(Role {
        permissions,
        ..role
    })
}

/// The role with this name, compared case-insensitively, with its stored permissions. `SuperAdmin` has none stored, because it holds every
/// permission.
///
/// # Errors
/// [`Code::NotFound`].
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Role, AppError> {
    let row = store::find_role(tx.conn, name)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// The stored permissions of every role, by role name.
///
/// # Errors
/// Database errors.
pub fn permissions_by_role(tx: &mut Tx<'_>) -> Result<BTreeMap<String, Vec<String>>, AppError> {
    Ok(store::all_roles(tx.conn)?
        .into_iter()
        .map(|row| (row.name, row.permissions))
        .collect())
}

/// The names in the catalogue, sorted.
///
/// # Errors
/// Database errors.
pub fn catalogue_names(tx: &mut Tx<'_>) -> Result<Vec<String>, AppError> {
    Ok(store::catalogue_names(tx.conn)?)
}

/// The names of the permissions in the set, sorted. [`PermissionSet::All`] has those of the current catalogue.
///
/// # Errors
/// Database errors.
pub fn permission_names(
    tx: &mut Tx<'_>,
    permissions: &PermissionSet,
) -> Result<Vec<String>, AppError> {
    match permissions {
        PermissionSet::Only(_) => Ok(names_in_catalogue(permissions, &[])),
        PermissionSet::All => Ok(names_in_catalogue(
            permissions,
            &store::catalogue_names(tx.conn)?,
        )),
    }
}

/// [`permission_names`] with a catalogue that was read before.
#[must_use]
pub fn names_in_catalogue(permissions: &PermissionSet, catalogue: &[String]) -> Vec<String> {
    match permissions {
        PermissionSet::Only(names) => names.iter().cloned().collect(),
        PermissionSet::All => catalogue.to_vec(),
    }
}

/// Which of the requested permissions are in the set.
///
/// # Errors
/// Database errors.
pub fn check(
    tx: &mut Tx<'_>,
    permissions: &PermissionSet,
    requested: &[PermissionName],
) -> Result<PermissionCheck, AppError> {
    let held = BTreeSet::from_iter(permission_names(tx, permissions)?);
    let mut seen = BTreeSet::new();
    let (granted, missing) = requested
        .iter()
        .map(|name| name.as_str().to_owned())
        .filter(|name| seen.insert(name.clone()))
        .partition(|name| held.contains(name));
    Ok(PermissionCheck { granted, missing })
}

/// Checks that all names, after trimming, are in the catalogue and returns them sorted and without duplicates.
///
/// # Errors
/// [`Code::PermissionUnknown`] with a pointer below `/permissions` to each unknown name; [`Code::RequestInvalid`] for more
/// than 1000 names.
pub fn resolve_permissions(tx: &mut Tx<'_>, names: &[String]) -> Result<Vec<String>, AppError> {
    const MAX_NAMES: usize = 1000;
    if names.len() > MAX_NAMES {
        let detail = "must be at most 1000 permissions";
        return Err(AppError::invalid_field("/permissions", "too_many", detail));
    }
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    let mut known = store::known_permissions(tx.conn, &names)?;
    let unknown = |(index, name): (usize, &String)| {
        (!known.contains(name)).then(|| {
            FieldError::new(
                format!("/permissions/{index}"),
                Code::PermissionUnknown.as_str(),
                format!("{name} is not in the permission catalogue"),
            )
        })
    };
    let errors: Vec<FieldError> = names.iter().enumerate().filter_map(unknown).collect();
    if errors.is_empty() {
        known.sort_unstable();
        Ok(known)
    } else {
        let error = AppError::new(Code::PermissionUnknown);
        Err(errors.into_iter().fold(error, AppError::with_field_error))
    }
}
