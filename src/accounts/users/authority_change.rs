//! What a change of authority means for the credentials that others created for an account: whether the account has more
//! authority than before, and whether the creator of a credential may still take over the account.

use super::authorization::managed_user;
use super::policy::{self, UserAction, UserPolicyCaller};
use super::record::authority_of;
use super::store::{UserChangeset, UserRow};
use crate::access::actor::{Authority, Creator};
use crate::access::authentication::{Need, needs, resolve};
use crate::accounts::roles;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// The permissions with which the password of an account can be set. Its creator must still have one of them.
const SETTING_PASSWORDS: [&str; 2] = [
    needs::ResetPasswords::PERMISSION,
    needs::CreateUsers::PERMISSION,
];

/// Whether the changes give the account a higher rank or a permission that it does not have.
///
/// # Errors
/// Database errors.
pub fn raises_authority(
    tx: &mut Tx<'_>,
    row: &UserRow,
    changes: &UserChangeset,
) -> Result<bool, AppError> {
    if changes.role.is_none() && changes.permissions.is_none() {
        return Ok(false);
    }
    let before = authority_of(tx, row)?;
    let role = roles::service::find(tx, changes.role.as_ref().unwrap_or(&row.role))?;
    let after = role.authority(changes.permissions.as_ref().unwrap_or(&row.permissions));
    Ok(is_raised(&before, &after))
}

/// Whether `after` has a higher rank than `before`, or a permission that `before` does not have.
pub(super) fn is_raised(before: &Authority, after: &Authority) -> bool {
    after.rank > before.rank || !before.permissions.covers(&after.permissions)
}

/// Whether the creator of the password or the email address of an account may set the password of the account as it is now,
/// see [`can_still_take_over`].
///
/// # Errors
/// Database errors.
pub fn may_set_password(
    tx: &mut Tx<'_>,
    creator: Option<Creator>,
    row: &UserRow,
) -> Result<bool, AppError> {
    can_still_take_over(tx, creator, row, &SETTING_PASSWORDS)
}

/// Whether the creator of a credential may still create one for the account: it exists, can be used, has one of the `permissions`,
/// and may take over the account as it is now. The owner and the operator always may; an unknown creator never.
///
/// # Errors
/// Database errors.
pub fn can_still_take_over(
    tx: &mut Tx<'_>,
    creator: Option<Creator>,
    row: &UserRow,
    permissions: &[&str],
) -> Result<bool, AppError> {
    let (id, authority) = match creator {
        Some(Creator::Owner | Creator::Operator) => return Ok(true),
        None => return Ok(false),
        Some(creator) => match resolve::creator_authority(tx, creator)? {
            Some(found) => found,
            None => return Ok(false),
        },
    };
    if !permissions
        .iter()
        .any(|name| authority.permissions.has(name))
    {
        return Ok(false);
    }
    let manager = UserPolicyCaller {
        id,
        is_program: id.is_none(),
        authority,
    };
    let target = managed_user(tx, row)?;
    Ok(policy::check_actions(&manager, &target, &[UserAction::TakeOver]).is_ok())
}
