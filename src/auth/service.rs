//! Finding out what a credential stands for, and on what authority an actor acts now.

use chrono::{DateTime, TimeDelta, Utc};

use super::memory::{Credential, Facts};
use super::store::{self, CallerRow};
use super::{Actor, Standing, Who};
use crate::db::Tx;
use crate::error::{AppError, Code};
use crate::ids::SessionId;
use crate::roles::Held;

/// What a credential stands for, as the database has it now.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the credential or its account has ended, whatever the reason.
pub fn facts(tx: &mut Tx<'_>, credential: &Credential) -> Result<Facts, AppError> {
    match credential {
        Credential::Session(session) => facts_of_session(tx, *session),
        Credential::Token(_) | Credential::Client(_) => Err(Code::AuthTokenInvalid.into()),
    }
}

fn facts_of_session(tx: &mut Tx<'_>, session: SessionId) -> Result<Facts, AppError> {
    let row = live_caller(tx, session)?;
    let ends_at = row.user_expires_at.map_or(row.session_expires_at, |end| {
        end.min(row.session_expires_at)
    });
    Ok(Facts::new(
        Who::User {
            id: row.user_id,
            session,
        },
        &row.username,
        standing(&row),
        row.user_id.0,
        Some(ends_at),
        Some(TimeDelta::seconds(row.idle_seconds)),
        row.last_seen_at,
    ))
}

/// Notes that a credential is in use.
///
/// # Errors
/// When the database fails.
pub fn note_use(tx: &mut Tx<'_>, who: &Who) -> Result<(), AppError> {
    if let Who::User { session, .. } = who {
        store::touch(tx.conn, *session, tx.now)?;
    }
    Ok(())
}

/// The actor's authority as it is in this transaction.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session or its account has ended.
pub fn standing_now(tx: &mut Tx<'_>, actor: &Actor) -> Result<Standing, AppError> {
    match &actor.who {
        Who::User { session, .. } => live_caller(tx, *session).map(|row| standing(&row)),
        Who::Token { .. } | Who::Client { .. } => Err(Code::AuthTokenInvalid.into()),
        Who::Operator { .. } | Who::System | Who::Anonymous => Ok(Standing::clone(&actor.standing)),
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
