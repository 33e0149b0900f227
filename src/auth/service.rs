//! Finding out who is calling and on what authority.

use chrono::{DateTime, TimeDelta, Utc};

use super::store::{self, CallerRow};
use super::{Actor, Origin, Standing, Who};
use crate::db::Tx;
use crate::error::{AppError, Code};
use crate::ids::SessionId;
use crate::roles::Held;

/// The account behind a session, as an actor.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session or its account has ended, whatever the reason.
pub fn actor_of_session(
    tx: &mut Tx<'_>,
    session: SessionId,
    origin: Origin,
) -> Result<Actor, AppError> {
    let row = live_caller(tx, session)?;
    if tx.now - row.last_seen_at > TimeDelta::seconds(60) {
        store::touch(tx.conn, session, tx.now)?;
    }
    Ok(Actor {
        who: Who::User {
            id: row.user_id,
            session,
        },
        username: Some(row.username.clone()),
        standing: standing(&row),
        origin,
    })
}

/// The actor's authority as it is in this transaction.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session or its account has ended.
pub fn standing_now(tx: &mut Tx<'_>, actor: &Actor) -> Result<Standing, AppError> {
    match &actor.who {
        Who::User { session, .. } => live_caller(tx, *session).map(|row| standing(&row)),
        Who::Operator { .. } | Who::System | Who::Anonymous => Ok(actor.standing.clone()),
    }
}

fn live_caller(tx: &mut Tx<'_>, session: SessionId) -> Result<CallerRow, AppError> {
    store::caller(tx.conn, session)?
        .filter(|row| is_live(row, tx.now))
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}

fn is_live(row: &CallerRow, now: DateTime<Utc>) -> bool {
    row.is_active
        && row.deleted_at.is_none()
        && row.user_expires_at.is_none_or(|end| end > now)
        && row.ended_at.is_none()
        && row.session_expires_at > now
        && row.last_seen_at + TimeDelta::seconds(row.idle_seconds) > now
}

fn standing(row: &CallerRow) -> Standing {
    Standing {
        held: Held::of(&row.role, &row.role_permissions, &row.permissions),
        role: row.role.clone(),
        rank: row.rank,
    }
}
