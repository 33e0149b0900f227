//! Finding out what a credential stands for, and on what authority an actor acts now.

use chrono::{DateTime, TimeDelta, Utc};

use super::memory::{Credential, Facts};
use super::store::{self, AccountRow, ClientRow, GrantRow, RoleRow, SessionRow, TokenRow};
use super::{Actor, Standing, Who};
use crate::db::Tx;
use crate::error::{AppError, Code};
use crate::ids::{GrantId, SessionId};
use crate::roles::Held;

/// What a credential stands for, as the database has it now.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the credential or its account has ended, whatever the reason.
pub fn facts(tx: &mut Tx<'_>, credential: &Credential) -> Result<Facts, AppError> {
    match credential {
        Credential::Session(session) => facts_of_session(tx, *session),
        Credential::Token(digest) => facts_of_token(tx, digest),
        Credential::Client(grant) => facts_of_grant(tx, *grant),
    }
}

fn facts_of_session(tx: &mut Tx<'_>, id: SessionId) -> Result<Facts, AppError> {
    let (session, account, role) = live_session(tx, id)?;
    let who = Who::User {
        id: account.id,
        session: id,
    };
    Ok(Facts::new(
        who,
        &account.username,
        standing(&account, &role),
        account.id.0,
        earlier(account.expires_at, Some(session.expires_at)),
        Some(TimeDelta::seconds(session.idle_seconds)),
        session.last_seen_at,
    ))
}

fn facts_of_token(tx: &mut Tx<'_>, digest: &[u8]) -> Result<Facts, AppError> {
    let row = store::token_by_digest(tx.conn, digest)?;
    let (token, account, role) = live_token(row, tx.now)?;
    let who = Who::Token {
        id: token.id,
        owner: account.id,
    };
    Ok(Facts::new(
        who,
        &account.username,
        narrowed(&account, &role, &token),
        account.id.0,
        earlier(account.expires_at, token.expires_at),
        None,
        token.last_used_at.unwrap_or(DateTime::UNIX_EPOCH),
    ))
}

fn facts_of_grant(tx: &mut Tx<'_>, id: GrantId) -> Result<Facts, AppError> {
    let (grant, client) = live_grant(tx, id)?;
    let who = Who::Client {
        id: client.id,
        grant: grant.id,
    };
    Ok(Facts::new(
        who,
        &client.name,
        standing_of_client(&client, &grant),
        client.id.0,
        Some(grant.expires_at),
        None,
        client.last_used_at.unwrap_or(DateTime::UNIX_EPOCH),
    ))
}

/// Notes that a credential is in use.
///
/// # Errors
/// When the database fails.
pub fn note_use(tx: &mut Tx<'_>, who: &Who) -> Result<(), AppError> {
    match who {
        Who::User { session, .. } => store::touch(tx.conn, *session, tx.now)?,
        Who::Token { id, .. } => store::touch_token(tx.conn, *id, tx.now)?,
        Who::Client { id, .. } => store::touch_client(tx.conn, *id, tx.now)?,
        _ => 0,
    };
    Ok(())
}

/// The actor's authority as it is in this transaction.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session or token, or its account, has ended.
pub fn standing_now(tx: &mut Tx<'_>, actor: &Actor) -> Result<Standing, AppError> {
    match &actor.who {
        Who::User { session, .. } => {
            let (_, account, role) = live_session(tx, *session)?;
            Ok(standing(&account, &role))
        }
        Who::Token { id, .. } => {
            let row = store::token(tx.conn, *id)?;
            let (token, account, role) = live_token(row, tx.now)?;
            Ok(narrowed(&account, &role, &token))
        }
        Who::Client { grant, .. } => {
            let (grant, client) = live_grant(tx, *grant)?;
            Ok(standing_of_client(&client, &grant))
        }
        Who::Operator { .. } | Who::System | Who::Anonymous => Ok(Standing::clone(&actor.standing)),
    }
}

fn live_session(
    tx: &mut Tx<'_>,
    id: SessionId,
) -> Result<(SessionRow, AccountRow, RoleRow), AppError> {
    store::session(tx.conn, id)?
        .filter(|(session, account, _)| {
            is_alive(account, tx.now)
                && session.ended_at.is_none()
                && session.expires_at > tx.now
                && session.last_seen_at + TimeDelta::seconds(session.idle_seconds) > tx.now
        })
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}

fn live_token(
    row: Option<(TokenRow, AccountRow, RoleRow)>,
    now: DateTime<Utc>,
) -> Result<(TokenRow, AccountRow, RoleRow), AppError> {
    row.filter(|(token, account, _)| {
        is_alive(account, now) && token.expires_at.is_none_or(|end| end > now)
    })
    .ok_or_else(|| Code::AuthTokenInvalid.into())
}

fn live_grant(tx: &mut Tx<'_>, id: GrantId) -> Result<(GrantRow, ClientRow), AppError> {
    store::grant(tx.conn, id)?
        .filter(|(grant, client)| client.is_active && grant.expires_at > tx.now)
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}

fn is_alive(account: &AccountRow, now: DateTime<Utc>) -> bool {
    account.is_active
        && account.deleted_at.is_none()
        && account.expires_at.is_none_or(|end| end > now)
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}

fn standing(account: &AccountRow, role: &RoleRow) -> Standing {
    Standing {
        held: Held::of(&role.name, &role.permissions, &account.permissions),
        role: role.name.clone(),
        rank: role.rank,
    }
}

/// The account's, with no more than the token's own list of what it holds.
fn narrowed(account: &AccountRow, role: &RoleRow, token: &TokenRow) -> Standing {
    let full = standing(account, role);
    Standing {
        held: full.held.narrowed_to(&token.permissions),
        ..full
    }
}

/// The client's, with no more than was given. It has no role, so it is nobody's like and no `SuperAdmin`.
fn standing_of_client(client: &ClientRow, grant: &GrantRow) -> Standing {
    Standing {
        role: String::new(),
        rank: client.rank,
        held: Held::of("", &client.permissions, &[]).narrowed_to(&grant.permissions),
    }
}
