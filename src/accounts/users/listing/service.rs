//! A page of accounts with their effective permissions.

use std::collections::BTreeMap;

use super::filter::{UserFilter, UserListCursor, UserSort};
use super::store;
use crate::access::actor::{PermissionSet, SUPER_ADMIN};
use crate::access::authentication::{Can, needs};
use crate::accounts::roles;
use crate::accounts::users::User;
use crate::accounts::users::store::UserRow;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// At most `limit` accounts after `after`, and the total number of matching accounts if `count` is set.
///
/// # Errors
/// Database errors.
pub fn list(
    tx: &mut Tx<'_>,
    _caller: &Can<needs::ReadUsers>,
    filter: &UserFilter,
    sort: UserSort,
    after: Option<&UserListCursor>,
    limit: i64,
    count: bool,
) -> Result<(Vec<User>, Option<i64>), AppError> {
    let permissions_by_role = roles::service::permissions_by_role(tx)?;
    let granting_roles = match &filter.permission {
        Some(permission) => Some(roles_with(tx, &permissions_by_role, permission)?),
        None => None,
    };
    let granting_roles = granting_roles.as_deref();
    let rows = store::page(tx.conn, filter, sort, granting_roles, after, limit)?;
    let total = if count {
        Some(store::count(tx.conn, filter, granting_roles)?)
    } else {
        None
    };
    let catalogue = if rows.iter().any(|row| row.role == SUPER_ADMIN) {
        roles::service::catalogue_names(tx)?
    } else {
        Vec::new()
    };
    let to_response = |row: UserRow| {
        let of_role = permissions_by_role
            .get(&row.role)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let permissions = PermissionSet::of_role_and_grants(&row.role, of_role, &row.permissions);
        let effective = roles::service::names_in_catalogue(&permissions, &catalogue);
        User::new(row, effective)
    };
    Ok((rows.into_iter().map(to_response).collect(), total))
}

/// The roles that have a permission. Empty when the catalogue does not contain it: then not even a `SuperAdmin` holds it.
fn roles_with(
    tx: &mut Tx<'_>,
    permissions_by_role: &BTreeMap<String, Vec<String>>,
    permission: &str,
) -> Result<Vec<String>, AppError> {
    let catalogue = roles::service::catalogue_names(tx)?;
    if !catalogue.iter().any(|name| name == permission) {
        return Ok(Vec::new());
    }
    Ok(permissions_by_role
        .iter()
        .filter(|(role, permissions)| {
            PermissionSet::of_role_and_grants(role, permissions, &[]).has(permission)
        })
        .map(|(role, _)| role.clone())
        .collect())
}
