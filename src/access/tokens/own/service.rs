//! Making, seeing and ending one's own tokens.

use crate::access::authentication::SignedIn;
use crate::access::tokens::input::TokenDraft;
use crate::access::tokens::model::{PersonalToken, TokenWithSecret};
use crate::access::tokens::service;
use crate::accounts::roles;
use crate::accounts::users;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::PersonalTokenId;

/// Makes a token of the caller's account.
///
/// # Errors
/// [`Code::PermissionUnknown`]; [`Code::RequestInvalid`] for an end in the past; [`Code::PermissionNotHeld`];
/// [`Code::TokenLimitReached`].
pub fn create(tx: &mut Tx<'_>, by: &SignedIn, draft: &TokenDraft) -> TxResult<TokenWithSecret> {
    let owner = users::service::find_for_update(tx, by.id)?.ok_or(Code::AuthTokenInvalid)?;
    by.current_authority(tx)?;
    let permissions = roles::service::resolve_permissions(tx, &draft.permissions)?;
    service::create_for_owner(tx, by, &owner, draft, permissions)
}

/// The caller's tokens, the newest first.
///
/// # Errors
/// When the database fails.
pub fn list(tx: &mut Tx<'_>, by: &SignedIn) -> Result<Vec<PersonalToken>, AppError> {
    service::list(tx, by.id)
}

/// A token of the caller's.
///
/// # Errors
/// [`Code::NotFound`], for anybody else's too.
pub fn show(tx: &mut Tx<'_>, by: &SignedIn, id: PersonalTokenId) -> Result<PersonalToken, AppError> {
    service::show(tx, by.id, id)
}

/// Ends a token of the caller's.
///
/// # Errors
/// As [`show`]; 412.
pub fn revoke(tx: &mut Tx<'_>, by: &SignedIn, id: PersonalTokenId, expected: &IfMatch) -> TxResult<()> {
    by.current_authority(tx)?;
    service::show(tx, by.id, id)?;
    expected.check(PersonalToken::VERSION)?;
    service::revoke(tx, by, by.id, id)
}
