//! Creating, listing, showing and revoking tokens of other accounts.

use crate::access::authentication::{Can, needs};
use crate::access::tokens::input::ValidatedToken;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::access::tokens::service::{self, CREATE, REVOKE};
use crate::access::tokens::store;
use crate::accounts::{roles, users};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::{PersonalTokenId, UserId};

/// Creates a token of an account. `if_match` refers to the version of the account.
///
/// # Errors
/// 400 for an unknown permission or an expiry in the past; 404; 403 if the caller may not manage the account, or when the account does not hold a
/// permission; 412; 409 when the account has the maximum number of tokens.
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageTokens>,
    id: UserId,
    draft: &ValidatedToken,
    if_match: &IfMatch,
) -> TxResult<TokenWithSecret> {
    let permissions = roles::service::resolve_permissions(tx, &draft.permissions)?;
    let owner = users::service::lock_for_takeover(tx, caller, id, CREATE, if_match)?;
    service::create_for_owner(tx, caller, &owner, draft, permissions)
}

/// Checks that the caller may create tokens of an account.
///
/// # Errors
/// 404; 403 if the caller may not manage the account.
pub fn authorize_creation(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageTokens>,
    id: UserId,
) -> TxResult<()> {
    users::service::lock_for_takeover(tx, caller, id, CREATE, &IfMatch::Absent).map(drop)
}

/// The tokens of an account, the newest first.
///
/// # Errors
/// 404; 403 if the caller may not manage the account.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ReadTokens>,
    id: UserId,
) -> TxResult<Vec<PersonalToken>> {
    users::service::authorize_reading_sessions(tx, caller, id, "token.list")?;
    Ok(service::list_of_owner(tx, id)?)
}

/// At most `limit` tokens after `after`, the newest first, of the accounts that the caller may see.
///
/// # Errors
/// Database errors.
pub fn list_all(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ReadTokens>,
    after: Option<PersonalTokenId>,
    limit: i64,
) -> Result<Vec<PersonalToken>, AppError> {
    let roles = users::service::readable_roles(tx, caller)?;
    let rows = store::page(tx.conn, roles.as_deref(), after, limit)?;
    Ok(rows.into_iter().map(PersonalToken::from).collect())
}

/// A token of an account.
///
/// # Errors
/// As [`list`].
pub fn show(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ReadTokens>,
    id: UserId,
    token: PersonalTokenId,
) -> TxResult<PersonalToken> {
    let found = service::show_of_owner(tx, id, token)?;
    users::service::authorize_reading_sessions(tx, caller, id, "token.show")?;
    Ok(found)
}

/// Revokes a token of an account.
///
/// # Errors
/// 404; 403 if the caller may not manage the account; 412.
pub fn revoke(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageTokens>,
    id: UserId,
    token: PersonalTokenId,
    if_match: &IfMatch,
) -> TxResult<()> {
    tx.wait_for_leases();
    service::show_of_owner(tx, id, token)?;
    users::service::lock_for_sign_out(tx, caller, id, REVOKE, &IfMatch::Absent)?;
    if_match.check(PersonalToken::VERSION)?;
    service::revoke_of_owner(tx, caller, id, token)
}
