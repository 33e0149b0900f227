//! The client credentials grant (RFC 6749, section 4.4): authenticating a client by its secret, and issuing and revoking its
//! access tokens.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::store::{self, ClientAccessTokenRow, ClientRow};
use crate::access::actor::{Actor, Identity, Origin};
use crate::access::authentication::{Audience, TokenIssuer};
use crate::access::rate_limit::account_budget::{self, RecordBudget};
use crate::access::rate_limit::{self, budget::Budget};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto;
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::{ClientGrantId, ClientId};

/// The audit action recorded when a client gets an access token.
const GRANT: &str = "client.grant";

/// A client that was authenticated by its secret.
#[derive(Clone)]
pub struct AuthenticatedClient {
    /// The client's id.
    pub id: ClientId,
    /// Its permissions.
    pub permissions: Vec<String>,
    /// The digest of the secret that it used.
    secret_digest: Vec<u8>,
}

/// An access token that was just issued.
pub struct IssuedClientToken {
    /// The token.
    pub access_token: String,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// Its permissions.
    pub permissions: Vec<String>,
}

/// The client with this id and secret.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`] when the client is unknown or disabled, or the secret is wrong. The response to it must
/// come from [`deny_authentication`].
pub fn authenticate(
    tx: &mut Tx<'_>,
    id: &str,
    secret: &str,
) -> Result<AuthenticatedClient, AppError> {
    let row = store::find(tx.conn, ClientId::from_path(id))?;
    let digest = crypto::digest(secret);
    row.filter(|row| row.is_active && crypto::constant_time_eq(&row.secret_digest, &digest))
        .map(|row| AuthenticatedClient {
            id: row.id,
            permissions: row.permissions,
            secret_digest: row.secret_digest,
        })
        .ok_or_else(|| Code::AuthInvalidCredentials.into())
}

/// Records a failed authentication as the client with this id.
///
/// # Errors
/// Always [`Code::AuthInvalidCredentials`], or [`Code::RateLimited`] after too many failures.
pub fn deny_authentication<T>(tx: &mut Tx<'_>, id: &str, origin: &Origin) -> TxResult<T> {
    let row = store::find(tx.conn, ClientId::from_path(id))?;
    let subject = row.map_or(Subject::None, |row| Subject::Client(row.id));
    let actor = Actor::anonymous(origin.clone());
    let entry = AuditEntry::new(GRANT, subject);
    let error = Code::AuthInvalidCredentials;
    let budget = Budget::ClientAuthentication;
    Err(rate_limit::budget::deny(tx, &actor, entry, error, budget))
}

/// Issues an access token for an audience, with the requested permissions, or with all permissions of the client. There is no refresh token:
/// the client uses its secret again (RFC 6749, section 4.4.3).
///
/// # Errors
/// [`Code::PermissionNotHeld`] for a permission that the client does not have, whether or not it is in the catalogue;
/// [`Code::AuthInvalidCredentials`] when the client was disabled, deleted or got another secret after [`authenticate`].
pub fn issue_access_token(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    client: &AuthenticatedClient,
    requested: Option<&[String]>,
    audience: &Audience,
    origin: &Origin,
) -> TxResult<IssuedClientToken> {
    let row = store::find_for_share(tx.conn, client.id)?
        .filter(|row| row.is_active && row.secret_digest == client.secret_digest)
        .ok_or(Code::AuthInvalidCredentials)?;
    let id = ClientGrantId::new(tx.now);
    let actor = client_actor(&row, id, origin);
    let entry = AuditEntry::new(GRANT, Subject::Client(row.id));
    let is_missing = |name: &String| !row.permissions.contains(name);
    let is_recorded = account_budget::is_recorded(tx, row.id, RecordBudget::ClientGrants)?;
    if requested.is_some_and(|names| names.iter().any(is_missing)) {
        let code = Code::PermissionNotHeld;
        return Err(if is_recorded {
            audit::deny(tx, &actor, entry, code)
        } else {
            TxAbort::Commit(code.into())
        });
    }
    let is_requested = |name: &&String| requested.is_none_or(|names| names.contains(name));
    let permissions: Vec<String> = row
        .permissions
        .iter()
        .filter(is_requested)
        .cloned()
        .collect();
    let expires_at = issuer.expiry(tx.now);
    let grant = ClientAccessTokenRow {
        id,
        client_id: row.id,
        permissions: permissions.clone(),
        created_at: tx.now,
        expires_at,
    };
    store::insert_grant(tx.conn, &grant)?;
    let after = json!({"sid": id, "permissions": permissions, "resource": audience.app()});
    if is_recorded {
        audit::record(tx, &actor, entry.with_change(Value::Null, after))?;
    }
    Ok(IssuedClientToken {
        access_token: issuer.client_token(row.id, id, permissions.clone(), audience, tx.now)?,
        expires_at,
        permissions,
    })
}

/// Ends a grant at the request of its client. A grant that has ended stays as it is.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`] when the client does not exist; database errors.
pub fn revoke_grant(
    tx: &mut Tx<'_>,
    client: ClientId,
    grant: ClientGrantId,
    origin: &Origin,
) -> TxResult<()> {
    tx.invalidate(Invalidation::Principal(client.0));
    let row = store::find(tx.conn, client)?.ok_or(Code::AuthInvalidCredentials)?;
    if store::delete_grant(tx.conn, client, grant)? > 0 {
        let actor = client_actor(&row, grant, origin);
        let entry = AuditEntry::new("client.giveBack", Subject::Client(client))
            .with_change(json!({"sid": grant}), Value::Null);
        audit::record(tx, &actor, entry)?;
    }
    Ok(())
}

/// Ends the grants of all clients and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn end_all_grants(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::All);
    Ok(store::delete_all_grants(tx.conn)?)
}

/// Replaces the secret of every client by a random one that is not disclosed, and returns their number. The caller records the audit
/// entry.
///
/// # Errors
/// Database errors; the operating system has no random bytes.
pub fn invalidate_all_secrets(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::All);
    let digest = crypto::random_bytes::<32>()?;
    Ok(store::set_all_secrets(tx.conn, tx.now, &digest)?)
}

/// Deletes the grants that have expired.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_grants_expired_before(tx.conn, tx.now)?)
}

fn client_actor(row: &ClientRow, grant: ClientGrantId, origin: &Origin) -> Actor {
    Actor {
        identity: Identity::Client { id: row.id, grant },
        username: Some(row.name.as_str().into()),
        ..Actor::anonymous(origin.clone())
    }
}
