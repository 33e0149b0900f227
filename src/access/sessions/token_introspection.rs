//! What a token of a session says of it to those who are no party to it, and the end that whoever holds one can put to it.

use chrono::{DateTime, Utc};

use super::policy::{self, EndReason, Presented};
use super::service::end;
use super::store;
use crate::access::actor::{Actor, Identity, Origin};
use crate::accounts::users;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxResult};
use crate::platform::ids::{SessionId, UserId};

/// A refresh token that is good at this moment.
pub struct GoodRefreshToken {
    /// The account that it is of.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When it ends if it is not used.
    pub expires_at: DateTime<Utc>,
}

/// What this refresh token is good for, if it is; it is not used by that.
///
/// # Errors
/// When the database fails.
pub fn examine(tx: &mut Tx<'_>, presented: &str) -> Result<Option<GoodRefreshToken>, AppError> {
    let Some((id, generation)) = store::refresh_token(tx.conn, &crypto::digest(presented))? else {
        return Ok(None);
    };
    let Some(session) = store::live(tx.conn, id, tx.now)? else {
        return Ok(None);
    };
    let judged = policy::judge(generation, session.generation, session.rotated_at, tx.now);
    let is_alive = users::service::authority_of_usable_user(tx, session.user_id)?.is_some();
    let is_good = is_alive && judged != Presented::Reused;
    Ok(is_good.then(|| GoodRefreshToken {
        user: session.user_id,
        session: id,
        expires_at: session.ends_at(),
    }))
}

/// The session that this is or was a refresh token of.
///
/// # Errors
/// When the database fails.
pub fn session_of(tx: &mut Tx<'_>, presented: &str) -> Result<Option<SessionId>, AppError> {
    let found = store::refresh_token(tx.conn, &crypto::digest(presented))?;
    Ok(found.map(|(session, _)| session))
}

/// Ends a session as its holder wishes; one that has ended stays so.
///
/// # Errors
/// When the database fails.
pub fn give_up(tx: &mut Tx<'_>, id: SessionId, origin: &Origin) -> TxResult<()> {
    let Some(session) = store::find_for_update(tx.conn, id)?.filter(|session| session.ended_at.is_none())
    else {
        return Ok(());
    };
    end(tx, session.user_id, id, EndReason::SignedOut)?;
    let by = Actor {
        identity: Identity::User {
            id: session.user_id,
            session: id,
        },
        ..Actor::anonymous(origin.clone())
    };
    audit::record(
        tx,
        &by,
        AuditEntry::new("session.end", Subject::Session(id, session.user_id)),
    )?;
    Ok(())
}
