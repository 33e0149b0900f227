//! Finding out what a credential stands for, and on what authority an actor acts now.

use chrono::{DateTime, TimeDelta, Utc};

use super::cache::{Credential, ResolvedCaller};
use super::store::{self, AccountRow, ClientRow, GrantRow, RoleRow, SessionRow, TokenRow};
use super::{Actor, Authority, Identity};
use crate::accounts::roles::PermissionSet;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::ids::{GrantId, SessionId};

/// What a credential stands for, as the database has it now.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the credential or its account has ended, whatever the reason.
pub fn resolve(tx: &mut Tx<'_>, credential: &Credential) -> Result<ResolvedCaller, AppError> {
    match credential {
        Credential::Session(session) => resolve_session(tx, *session),
        Credential::Token(digest) => resolve_token(tx, digest),
        Credential::Client(grant) => resolve_client_grant(tx, *grant),
    }
}

fn resolve_session(tx: &mut Tx<'_>, id: SessionId) -> Result<ResolvedCaller, AppError> {
    let (session, account, role) = live_session(tx, id)?;
    let identity = Identity::User {
        id: account.id,
        session: id,
    };
    Ok(ResolvedCaller::new(
        identity,
        &account.username,
        authority(&account, &role),
        account.id.0,
        earlier(account.expires_at, Some(session.expires_at)),
        Some(TimeDelta::seconds(session.idle_seconds)),
        session.last_seen_at,
    ))
}

fn resolve_token(tx: &mut Tx<'_>, digest: &[u8]) -> Result<ResolvedCaller, AppError> {
    let row = store::token_by_digest(tx.conn, digest)?;
    let (token, account, role) = live_token(row, tx.now)?;
    let identity = Identity::Token {
        id: token.id,
        owner: account.id,
    };
    Ok(ResolvedCaller::new(
        identity,
        &account.username,
        narrowed(&account, &role, &token),
        account.id.0,
        earlier(account.expires_at, token.expires_at),
        None,
        token.last_used_at.unwrap_or(DateTime::UNIX_EPOCH),
    ))
}

fn resolve_client_grant(tx: &mut Tx<'_>, id: GrantId) -> Result<ResolvedCaller, AppError> {
    let (grant, client) = live_grant(tx, id)?;
    let identity = Identity::Client {
        id: client.id,
        grant: grant.id,
    };
    Ok(ResolvedCaller::new(
        identity,
        &client.name,
        client_authority(&client, &grant),
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
pub fn record_use(tx: &mut Tx<'_>, identity: &Identity) -> Result<(), AppError> {
    match identity {
        Identity::User { session, .. } => store::touch_session(tx.conn, *session, tx.now)?,
        Identity::Token { id, .. } => store::touch_token(tx.conn, *id, tx.now)?,
        Identity::Client { id, .. } => store::touch_client(tx.conn, *id, tx.now)?,
        _ => 0,
    };
    Ok(())
}

/// The actor's authority as it is in this transaction.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session or token, or its account, has ended.
pub fn current_authority(tx: &mut Tx<'_>, actor: &Actor) -> Result<Authority, AppError> {
    match &actor.identity {
        Identity::User { session, .. } => {
            let (_, account, role) = live_session(tx, *session)?;
            Ok(authority(&account, &role))
        }
        Identity::Token { id, .. } => {
            let row = store::token(tx.conn, *id)?;
            let (token, account, role) = live_token(row, tx.now)?;
            Ok(narrowed(&account, &role, &token))
        }
        Identity::Client { grant, .. } => {
            let (grant, client) = live_grant(tx, *grant)?;
            Ok(client_authority(&client, &grant))
        }
        Identity::Operator { .. } | Identity::System | Identity::Anonymous => {
            Ok(Authority::clone(&actor.authority))
        }
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

fn authority(account: &AccountRow, role: &RoleRow) -> Authority {
    Authority {
        permissions: PermissionSet::of(&role.name, &role.permissions, &account.permissions),
        role: role.name.clone(),
        rank: role.rank,
    }
}

/// The account's, with no more than the token's own list of what it holds.
fn narrowed(account: &AccountRow, role: &RoleRow, token: &TokenRow) -> Authority {
    let full = authority(account, role);
    Authority {
        permissions: full.permissions.intersect(&token.permissions),
        ..full
    }
}

/// The client's, with no more than was given. It has no role, so it is nobody's like and no `SuperAdmin`.
fn client_authority(client: &ClientRow, grant: &GrantRow) -> Authority {
    Authority {
        role: String::new(),
        rank: client.rank,
        permissions: PermissionSet::of("", &client.permissions, &[]).intersect(&grant.permissions),
    }
}
