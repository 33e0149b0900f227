//! Making, seeing and ending other accounts' tokens.

use crate::access::authentication::{Can, needs};
use crate::access::tokens::input::TokenDraft;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::access::tokens::service::{self, CREATE, REVOKE};
use crate::access::tokens::store;
use crate::accounts::roles;
use crate::accounts::users;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::{PersonalTokenId, UserId};

/// Makes a token of an account.
///
/// # Errors
/// [`Code::PermissionUnknown`](crate::platform::error::Code::PermissionUnknown);
/// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) for an end in the past; 404; the refusals of the rules of
/// authority; 412 by the account's version; [`Code::PermissionNotHeld`](crate::platform::error::Code::PermissionNotHeld) for what the account does not hold;
/// [`Code::TokenLimitReached`](crate::platform::error::Code::TokenLimitReached).
pub fn create(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageTokens>,
    id: UserId,
    draft: &TokenDraft,
    expected: &IfMatch,
) -> TxResult<TokenWithSecret> {
    let permissions = roles::service::resolve_permissions(tx, &draft.permissions)?;
    let owner = users::service::lock_for_takeover(tx, by, id, CREATE, expected)?;
    service::create_for_owner(tx, by, &owner, draft, permissions)
}

/// An account's tokens, the newest first.
///
/// # Errors
/// 404; the refusals of the rules of authority.
pub fn list(
    tx: &mut Tx<'_>,
    by: &Can<needs::ReadTokens>,
    id: UserId,
) -> TxResult<Vec<PersonalToken>> {
    users::service::authorize_reading_sessions(tx, by, id, "token.list")?;
    Ok(service::list(tx, id)?)
}

/// At most `rows` tokens after `after`, the newest first, of those accounts that the caller may watch.
///
/// # Errors
/// When the database fails.
pub fn list_all(
    tx: &mut Tx<'_>,
    by: &Can<needs::ReadTokens>,
    after: Option<PersonalTokenId>,
    rows: i64,
) -> Result<Vec<PersonalToken>, AppError> {
    let roles = users::service::readable_roles(tx, by)?;
    let found = store::page(tx.conn, roles.as_deref(), after, rows)?;
    Ok(found.into_iter().map(PersonalToken::from).collect())
}

/// An account's token.
///
/// # Errors
/// As [`list`].
pub fn show(
    tx: &mut Tx<'_>,
    by: &Can<needs::ReadTokens>,
    id: UserId,
    token: PersonalTokenId,
) -> TxResult<PersonalToken> {
    let found = service::show(tx, id, token)?;
    users::service::authorize_reading_sessions(tx, by, id, "token.show")?;
    Ok(found)
}

/// Ends an account's token.
///
/// # Errors
/// 404; the refusals of the rules of authority; 412.
pub fn revoke(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageTokens>,
    id: UserId,
    token: PersonalTokenId,
    expected: &IfMatch,
) -> TxResult<()> {
    service::show(tx, id, token)?;
    users::service::lock_for_sign_out(tx, by, id, REVOKE, &IfMatch::Absent)?;
    expected.check(PersonalToken::VERSION)?;
    service::revoke(tx, by, id, token)
}
