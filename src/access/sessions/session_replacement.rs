//! Sign-in and sign-out of a browser that may already have a session.

use super::model::Tokens;
use super::service::{self, SessionOptions, TokenContext};
use super::{store, token_introspection};
use crate::access::actor::Origin;
use crate::access::password_check::PasswordCheckResult;
use crate::accounts::users;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::SessionId;

/// Creates a session after a password check. The session of `previous`, the refresh token that the browser already had,
/// ends (OWASP ASVS 5.0, 7.2.4), also if it belongs to another account.
///
/// # Errors
/// As [`service::sign_in`]; then the previous session does not end.
pub fn sign_in(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    check: &PasswordCheckResult,
    options: &SessionOptions,
    origin: &Origin,
    previous: Option<&str>,
) -> TxResult<Tokens> {
    let tokens = service::sign_in(tx, token_context, check, options, origin)?;
    if let Some(refresh_token) = previous
        && let Some(session) =
            token_introspection::find_session_of_refresh_token(tx, refresh_token)?
    {
        token_introspection::revoke_session(tx, session, origin)?;
    }
    Ok(tokens)
}

/// Checks that this session of an account that can still sign in has ended, so that a repeated sign-out succeeds.
///
/// # Errors
/// [`Code::AuthTokenInvalid`].
pub fn check_ended(tx: &mut Tx<'_>, id: SessionId) -> Result<(), AppError> {
    let session = store::find_for_update(tx.conn, id)?.filter(|row| row.ended_at.is_some());
    let user = session.ok_or(Code::AuthTokenInvalid)?.user_id;
    users::service::authority_of_usable_user(tx, user)?
        .map(drop)
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}
