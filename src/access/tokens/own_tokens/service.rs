//! Creating, listing, showing and revoking the caller's own tokens.

use crate::access::authentication::SignedIn;
use crate::access::rate_limit::account_budget::{self, AccountBudget};
use crate::access::tokens::input::ValidatedToken;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::access::tokens::service;
use crate::accounts::{roles, users};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::PersonalTokenId;

/// Creates a token of the caller's account.
///
/// # Errors
/// [`Code::PermissionUnknown`]; [`Code::RequestInvalid`] for an expiry in the past; [`Code::PermissionNotHeld`];
/// [`Code::TokenLimitReached`]; [`Code::RateLimited`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    draft: &ValidatedToken,
) -> TxResult<TokenWithSecret> {
    account_budget::charge_account(tx, caller.id, AccountBudget::OwnChanges)?;
    let owner = users::service::find_for_update(tx, caller.id)?.ok_or(Code::AuthTokenInvalid)?;
    caller.current_authority(tx)?;
    let permissions = roles::service::resolve_permissions(tx, &draft.permissions)?;
    service::create_for_owner(tx, caller, &owner, draft, permissions)
}

/// The caller's tokens, the newest first.
///
/// # Errors
/// Database errors.
pub fn list(tx: &mut Tx<'_>, caller: &SignedIn) -> Result<Vec<PersonalToken>, AppError> {
    service::list_of_owner(tx, caller.id)
}

/// One of the caller's tokens.
///
/// # Errors
/// [`Code::NotFound`], also for a token of another account.
pub fn show(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    id: PersonalTokenId,
) -> Result<PersonalToken, AppError> {
    service::show_of_owner(tx, caller.id, id)
}

/// Revokes one of the caller's tokens.
///
/// # Errors
/// As [`show`]; 412.
pub fn revoke(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    id: PersonalTokenId,
    if_match: &IfMatch,
) -> TxResult<()> {
    tx.wait_for_leases();
    caller.current_authority(tx)?;
    service::show_of_owner(tx, caller.id, id)?;
    if_match.check(PersonalToken::VERSION)?;
    service::revoke_of_owner(tx, caller, caller.id, id)
}
