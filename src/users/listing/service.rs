//! A page of accounts, each with what it effectively may.

use super::rules::{Filter, Position};
use super::store;
use crate::auth::{Can, needs};
use crate::db::Tx;
use crate::error::AppError;
use crate::roles::{self, Held, SUPER_ADMIN};
use crate::users::User;
use crate::users::store::UserRow;

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
    let giving: Option<Vec<String>> = filter.permission.as_ref().map(|wanted| {
        bundles
            .iter()
            .filter(|(role, permissions)| Held::of(role, permissions, &[]).has(wanted))
            .map(|(role, _)| role.clone())
            .collect()
    });
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
        let held = Held::of(&row.role, of_role, &row.permissions);
        let effective = roles::service::names(&held, &catalogue);
        User::new(row, effective)
    };
    Ok((found.into_iter().map(present).collect(), total))
}
