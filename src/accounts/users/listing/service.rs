//! A page of accounts, each with what it effectively may.

use std::collections::BTreeMap;

use super::policy::{Filter, Position};
use super::store;
use crate::access::authentication::{Can, needs};
use crate::accounts::roles::{self, PermissionSet, SUPER_ADMIN};
use crate::accounts::users::User;
use crate::accounts::users::store::UserRow;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// At most `rows` accounts after `after` and, if that is asked, how many there are in all.
///
/// # Errors
/// When the database fails.
pub fn list(
    tx: &mut Tx<'_>,
    _by: &Can<needs::ReadUsers>,
    filter: &Filter,
    after: Option<&Position>,
    rows: i64,
    count: bool,
) -> Result<(Vec<User>, Option<i64>), AppError> {
    let bundles = roles::service::permissions_by_role(tx)?;
    let giving = match &filter.permission {
        Some(wanted) => Some(roles_giving(tx, &bundles, wanted)?),
        None => None,
    };
    let found = store::page(tx.conn, filter, giving.as_deref(), after, rows)?;
    let total = if count {
        Some(store::count(tx.conn, filter, giving.as_deref())?)
    } else {
        None
    };
    let catalogue = if found.iter().any(|row| row.role == SUPER_ADMIN) {
        roles::service::catalogue_names(tx)?
    } else {
        Vec::new()
    };
    let present = |row: UserRow| {
        let of_role = bundles
            .get(&row.role)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let permissions = PermissionSet::of(&row.role, of_role, &row.permissions);
        let effective = roles::service::names(&permissions, &catalogue);
        User::new(row, effective)
    };
    Ok((found.into_iter().map(present).collect(), total))
}

/// The roles that give a permission: none when the catalogue does not have it, for not even a `SuperAdmin` holds that.
fn roles_giving(
    tx: &mut Tx<'_>,
    bundles: &BTreeMap<String, Vec<String>>,
    wanted: &str,
) -> Result<Vec<String>, AppError> {
    if !roles::service::catalogue_names(tx)?
        .iter()
        .any(|name| name == wanted)
    {
        return Ok(Vec::new());
    }
    Ok(bundles
        .iter()
        .filter(|(role, permissions)| PermissionSet::of(role, permissions, &[]).has(wanted))
        .map(|(role, _)| role.clone())
        .collect())
}
