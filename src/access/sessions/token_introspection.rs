//! Refresh tokens as OAuth clients use them: introspection (RFC 7662) and revocation (RFC 7009).

use chrono::{DateTime, Utc};

use super::policy::{EndReason, RefreshTokenState};
use super::service::{END_SESSION, end, session_actor};
use super::store;
use crate::access::actor::Origin;
use crate::accounts::users;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxResult};
use crate::platform::ids::{SessionId, UserId};

/// A refresh token that can be used now.
pub struct ActiveRefreshToken {
    /// The account.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When it expires if it is not used.
    pub expires_at: DateTime<Utc>,
}

/// The account and session of a refresh token, if it can be used now. This does not use it.
///
/// # Errors
/// Database errors.
pub fn find_active_refresh_token(
    tx: &mut Tx<'_>,
    refresh_token: &str,
) -> Result<Option<ActiveRefreshToken>, AppError> {
    let found = store::find_refresh_token(tx.conn, &crypto::digest(refresh_token))?;
    let Some((id, generation)) = found else {
        return Ok(None);
    };
    let Some(session) = store::find_active(tx.conn, id, tx.now)? else {
        return Ok(None);
    };
    let state = session.newest_token().classify(generation, tx.now);
    let is_usable = users::service::authority_of_usable_user(tx, session.user_id)?.is_some();
    let is_active = is_usable && state != RefreshTokenState::Reused;
    Ok(is_active.then(|| ActiveRefreshToken {
        user: session.user_id,
        session: id,
        expires_at: session.ends_at(),
    }))
}

/// The session that this refresh token belongs to. The token may have been replaced.
///
/// # Errors
/// Database errors.
pub fn find_session_of_refresh_token(
    tx: &mut Tx<'_>,
    refresh_token: &str,
) -> Result<Option<SessionId>, AppError> {
    let found = store::find_refresh_token(tx.conn, &crypto::digest(refresh_token))?;
    Ok(found.map(|(session, _)| session))
}

/// Ends a session for the holder of one of its tokens. A session that has ended stays as it is.
///
/// # Errors
/// Database errors.
pub fn revoke_session(tx: &mut Tx<'_>, id: SessionId, origin: &Origin) -> TxResult<()> {
    let row = store::find_for_update(tx.conn, id)?;
    let Some(session) = row.filter(|row| row.ended_at.is_none()) else {
        return Ok(());
    };
    end(tx, session.user_id, id, EndReason::SignedOut)?;
    let actor = session_actor(session.user_id, id, None, origin);
    let entry = AuditEntry::new(END_SESSION, Subject::Session(id, session.user_id));
    audit::record(tx, &actor, entry)?;
    Ok(())
}
