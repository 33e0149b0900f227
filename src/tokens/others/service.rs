//! Making, seeing and ending other accounts' tokens.

use crate::auth::{Can, needs};
use crate::db::Tx;
use crate::error::{Acted, AppError};
use crate::http::IfMatch;
use crate::ids::{TokenId, UserId};
use crate::roles;
use crate::tokens::input::Draft;
use crate::tokens::model::{MadeToken, PersonalToken};
use crate::tokens::service::{self, CREATE, REVOKE};
use crate::tokens::store;
use crate::users;

/// Makes a token of an account.
///
/// # Errors
/// [`Code::PermissionUnknown`](crate::error::Code::PermissionUnknown);
/// [`Code::RequestInvalid`](crate::error::Code::RequestInvalid) for an end in the past; 404; the refusals of the rules of
/// authority; 412 by the account's version; [`Code::PermissionNotHeld`](crate::error::Code::PermissionNotHeld) for what the account does not hold;
/// [`Code::TokenLimitReached`](crate::error::Code::TokenLimitReached).
pub fn create(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageTokens>,
    id: UserId,
    draft: &Draft,
    expected: &IfMatch,
) -> Acted<MadeToken> {
    let permissions = roles::service::grantable(tx, &draft.permissions)?;
    let owner = users::service::hold_to_hand_over(tx, by, id, CREATE, expected)?;
    service::make(tx, by, &owner, draft, permissions)
}

/// An account's tokens, the newest first.
///
/// # Errors
/// 404; the refusals of the rules of authority.
pub fn list(tx: &mut Tx<'_>, by: &Can<needs::ReadTokens>, id: UserId) -> Acted<Vec<PersonalToken>> {
    users::service::watch(tx, by, id, "token.list")?;
    Ok(service::list(tx, id)?)
}

/// At most `rows` tokens after `after`, the newest first, of those accounts that the caller may watch.
///
/// # Errors
/// When the database fails.
pub fn list_all(
    tx: &mut Tx<'_>,
    by: &Can<needs::ReadTokens>,
    after: Option<TokenId>,
    rows: i64,
) -> Result<Vec<PersonalToken>, AppError> {
    let roles = users::service::roles_below(tx, by)?;
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
    token: TokenId,
) -> Acted<PersonalToken> {
    let found = service::show(tx, id, token)?;
    users::service::watch(tx, by, id, "token.show")?;
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
    token: TokenId,
    expected: &IfMatch,
) -> Acted<()> {
    service::show(tx, id, token)?;
    users::service::hold_to_sign_out(tx, by, id, REVOKE, &IfMatch::Absent)?;
    expected.check(PersonalToken::VERSION)?;
    service::revoke(tx, by, id, token)
}
