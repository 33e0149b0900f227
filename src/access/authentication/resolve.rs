//! Resolving a credential to its caller, and reading the current authority of an actor, from the database.

use chrono::{DateTime, TimeDelta, Utc};

use super::access_token::VerifiedBearer;
use super::credential::{Credential, ResolvedCaller};
use super::read_model::{
    self, AccountRow, ClientCredentialRow, ClientTokenOwnerRow, RoleAuthorityRow,
    SessionCredentialRow, TokenCredentialRow,
};
use crate::access::actor::{
    AccountStatus, Actor, Authority, Creator, CredentialFacts, Identity, PermissionSet,
};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::ids::{ClientGrantId, SessionId, UserId};

/// The caller of a bearer token, or `None` for a personal access token that does not exist. The key that signed it must still
/// be accepted: the keys in memory can be out of date.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the key was revoked, or the credential or its account has ended.
pub fn resolve_bearer(
    tx: &mut Tx<'_>,
    bearer: &VerifiedBearer,
) -> Result<Option<ResolvedCaller>, AppError> {
    if let Some(key_id) = &bearer.key_id
        && !read_model::is_signing_key_accepted(tx.conn, key_id, tx.now)?
    {
        return Err(Code::AuthTokenInvalid.into());
    }
    resolve_if_exists(tx, &bearer.credential)
}

/// The caller of this credential.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the credential or its account has ended.
fn resolve(tx: &mut Tx<'_>, credential: &Credential) -> Result<ResolvedCaller, AppError> {
    match credential {
        Credential::Session(session) => resolve_session(tx, *session),
        Credential::Token(digest) => resolve_token(tx, digest),
        Credential::Client(grant) => resolve_client_grant(tx, *grant),
    }
}

/// [`resolve`], or `None` for a personal access token that does not exist.
///
/// # Errors
/// See [`resolve`].
fn resolve_if_exists(
    tx: &mut Tx<'_>,
    credential: &Credential,
) -> Result<Option<ResolvedCaller>, AppError> {
    match (resolve(tx, credential), credential) {
        (Err(error), Credential::Token(digest))
            if error.code() == Code::AuthTokenInvalid
                && read_model::find_token_by_digest(tx.conn, digest)?.is_none() =>
        {
            Ok(None)
        }
        (result, _) => result.map(Some),
    }
}

fn resolve_session(tx: &mut Tx<'_>, id: SessionId) -> Result<ResolvedCaller, AppError> {
    let (session, account, role) = valid_session(tx, id)?;
    let identity = Identity::User {
        id: account.id,
        session: id,
    };
    Ok(ResolvedCaller::new(
        identity,
        &account.username,
        account_authority(&account, &role),
        account.id.0,
        earlier(account.expires_at, Some(session.expires_at)),
        Some(TimeDelta::seconds(session.idle_timeout_seconds)),
        session.last_seen_at,
    )
    .with_facts(CredentialFacts {
        is_narrowed: false,
        authenticated_at: Some(session.created_at),
    })
    .with_recorded_uses(issue_time_of_recorded_uses(&session)))
}

/// The issue time, in seconds since 1970, up to which the first use of the session's access tokens needs no record.
fn issue_time_of_recorded_uses(session: &SessionCredentialRow) -> i64 {
    let is_recorded = session
        .successor_used_at
        .is_some_and(|used_at| used_at >= session.rotated_at);
    if is_recorded || session.generation == 0 {
        session.rotated_at.timestamp()
    } else {
        session.rotated_at.timestamp() - 1
    }
}

fn resolve_token(tx: &mut Tx<'_>, digest: &[u8]) -> Result<ResolvedCaller, AppError> {
    let found = read_model::find_token_by_digest(tx.conn, digest)?;
    let (token, account, role) = check_token(found, tx.now)?;
    let identity = Identity::Token {
        id: token.id,
        owner: account.id,
    };
    let authority = token_authority(&account, &role, &token);
    let owner_permissions = account_authority(&account, &role).permissions;
    let facts = CredentialFacts {
        is_narrowed: !authority.permissions.covers(&owner_permissions),
        authenticated_at: None,
    };
    Ok(ResolvedCaller::new(
        identity,
        &account.username,
        authority,
        account.id.0,
        earlier(account.expires_at, token.expires_at),
        None,
        token.last_used_at.unwrap_or(DateTime::UNIX_EPOCH),
    )
    .with_facts(facts))
}

fn resolve_client_grant(tx: &mut Tx<'_>, id: ClientGrantId) -> Result<ResolvedCaller, AppError> {
    let (grant, client) = valid_client_grant(tx, id)?;
    let identity = Identity::Client {
        id: client.id,
        grant: grant.id,
    };
    Ok(ResolvedCaller::new(
        identity,
        &client.name,
        client_authority(&client, &grant.permissions),
        client.id.0,
        Some(grant.expires_at),
        None,
        client.last_used_at.unwrap_or(DateTime::UNIX_EPOCH),
    ))
}

/// The actor's authority in this transaction.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session, token, grant or account has ended.
pub fn current_authority(tx: &mut Tx<'_>, actor: &Actor) -> Result<Authority, AppError> {
    match &actor.identity {
        Identity::User { session, .. } => {
            let (_, account, role) = valid_session(tx, *session)?;
            Ok(account_authority(&account, &role))
        }
        Identity::Token { id, .. } => {
            let found = read_model::find_token(tx.conn, *id)?;
            let (token, account, role) = check_token(found, tx.now)?;
            Ok(token_authority(&account, &role, &token))
        }
        Identity::Client { grant, .. } => {
            let (grant, client) = valid_client_grant(tx, *grant)?;
            Ok(client_authority(&client, &grant.permissions))
        }
        Identity::Operator { .. } | Identity::System | Identity::Anonymous => {
            Ok(Authority::clone(&actor.authority))
        }
    }
}

/// The current account and authority of the creator of a credential. `None` if the creator no longer exists, can't be used,
/// or is the owner of the credential.
///
/// # Errors
/// Database errors.
pub fn creator_authority(
    tx: &mut Tx<'_>,
    creator: Creator,
) -> Result<Option<(Option<UserId>, Authority)>, AppError> {
    match creator {
        Creator::Owner | Creator::Withdrawn => Ok(None),
        Creator::Operator => Ok(Some((None, Authority::system()))),
        Creator::User(id) => Ok(read_model::find_account(tx.conn, id)?
            .filter(|(account, _)| status(account).is_usable(tx.now))
            .map(|(account, role)| (Some(id), account_authority(&account, &role)))),
        Creator::Token(id) => {
            let found = read_model::find_token(tx.conn, id)?;
            let valid = found.filter(|(token, account, _)| is_valid_token(token, account, tx.now));
            Ok(valid.map(|(token, account, role)| {
                (Some(account.id), token_authority(&account, &role, &token))
            }))
        }
        Creator::Client(id) => Ok(read_model::find_client(tx.conn, id)?
            .filter(|client| client.is_active)
            .map(|client| (None, client_authority(&client, &client.permissions)))),
    }
}

/// The password version of an account, which changes when its password is set, and when the account gets more authority.
///
/// # Errors
/// Database errors.
pub fn password_version(tx: &mut Tx<'_>, id: UserId) -> Result<Option<i64>, AppError> {
    Ok(read_model::find_password_version(tx.conn, id)?)
}

fn valid_session(
    tx: &mut Tx<'_>,
    id: SessionId,
) -> Result<(SessionCredentialRow, AccountRow, RoleAuthorityRow), AppError> {
    read_model::find_session(tx.conn, id)?
        .filter(|(session, account, _)| {
            status(account).is_usable(tx.now)
                && session.ended_at.is_none()
                && session.expires_at > tx.now
                && session.last_seen_at + TimeDelta::seconds(session.idle_timeout_seconds) > tx.now
        })
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}

fn check_token(
    found: Option<(TokenCredentialRow, AccountRow, RoleAuthorityRow)>,
    now: DateTime<Utc>,
) -> Result<(TokenCredentialRow, AccountRow, RoleAuthorityRow), AppError> {
    found
        .filter(|(token, account, _)| is_valid_token(token, account, now))
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}

fn is_valid_token(token: &TokenCredentialRow, account: &AccountRow, now: DateTime<Utc>) -> bool {
    status(account).is_usable(now) && token.expires_at.is_none_or(|end| end > now)
}

fn valid_client_grant(
    tx: &mut Tx<'_>,
    id: ClientGrantId,
) -> Result<(ClientTokenOwnerRow, ClientCredentialRow), AppError> {
    read_model::find_client_grant(tx.conn, id)?
        .filter(|(grant, client)| client.is_active && grant.expires_at > tx.now)
        .ok_or_else(|| Code::AuthTokenInvalid.into())
}

const fn status(account: &AccountRow) -> AccountStatus {
    AccountStatus {
        is_active: account.is_active,
        deleted_at: account.deleted_at,
        expires_at: account.expires_at,
    }
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}

fn account_authority(account: &AccountRow, role: &RoleAuthorityRow) -> Authority {
    Authority {
        permissions: PermissionSet::of_role_and_grants(
            &role.name,
            &role.permissions,
            &account.permissions,
        ),
        role: role.name.clone(),
        rank: role.rank,
    }
}

/// The authority of the account with only those permissions that the token lists.
fn token_authority(
    account: &AccountRow,
    role: &RoleAuthorityRow,
    token: &TokenCredentialRow,
) -> Authority {
    let full = account_authority(account, role);
    Authority {
        permissions: full.permissions.intersect(&token.permissions),
        ..full
    }
}

/// The authority of the client with only those permissions that were granted. It has no role, so it is never a `SuperAdmin`.
fn client_authority(client: &ClientCredentialRow, granted: &[String]) -> Authority {
    Authority {
        role: String::new(),
        rank: client.rank,
        permissions: PermissionSet::only(&client.permissions).intersect(granted),
    }
}
