//! What a client does with its secret: being recognized, and getting access tokens.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::store::{self, ClientRow, GrantRow};
use crate::access::authentication::TokenIssuer;
use crate::access::actor::{Actor, Identity, Origin};
use crate::access::rate_limit;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto;
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::{ClientId, ClientGrantId};

/// What the audit log calls getting an access token.
const GRANT: &str = "client.grant";

/// A client that has shown its secret.
#[derive(Clone)]
pub struct AuthenticatedClient {
    /// Its id.
    pub id: ClientId,
    /// What it may.
    pub permissions: Vec<String>,
    digest: Vec<u8>,
}

/// An access token that was just made.
pub struct IssuedClientToken {
    /// The token.
    pub access_token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// What it gives.
    pub permissions: Vec<String>,
}

/// The client that these credentials are of.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`], the same for a client that there is not, a wrong secret and one that is switched off;
/// [`deny_authentication`] is then what answers.
pub fn authenticate(tx: &mut Tx<'_>, id: &str, secret: &str) -> Result<AuthenticatedClient, AppError> {
    let row = store::find(tx.conn, ClientId::from_path(id))?;
    let digest = crypto::digest(secret);
    row.filter(|row| row.is_active && crypto::constant_time_eq(&row.secret_digest, &digest))
        .map(|row| AuthenticatedClient {
            id: row.id,
            permissions: row.permissions,
            digest: row.secret_digest,
        })
        .ok_or_else(|| Code::AuthInvalidCredentials.into())
}

/// Turns away whoever was not recognized as the client of this id.
///
/// # Errors
/// Always: [`Code::AuthInvalidCredentials`], [`Code::RateLimited`] when that happens too often.
pub fn deny_authentication<T>(tx: &mut Tx<'_>, id: &str, origin: &Origin) -> TxResult<T> {
    let known = store::find(tx.conn, ClientId::from_path(id))?;
    let subject = known.map_or(Subject::None, |row| Subject::Client(row.id));
    let by = Actor::anonymous(origin.clone());
    let act = AuditEntry::new(GRANT, subject);
    let why = Code::AuthInvalidCredentials;
    Err(rate_limit::service::deny_client_authentication(tx, &by, act, why))
}

/// Gives a client an access token for `wanted`, or for all that it may. There is no refresh token with it: the secret gets
/// the next one (RFC 6749, section 4.4.3).
///
/// # Errors
/// [`Code::PermissionNotHeld`] for what the client may not, whether there is such a permission or not;
/// [`Code::AuthInvalidCredentials`] when it has ended, or has another secret meanwhile.
pub fn grant(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    client: &AuthenticatedClient,
    wanted: Option<&[String]>,
    origin: &Origin,
) -> TxResult<IssuedClientToken> {
    let row = store::find_for_share(tx.conn, client.id)?
        .filter(|row| row.is_active && row.secret_digest == client.digest)
        .ok_or(Code::AuthInvalidCredentials)?;
    let id = ClientGrantId::new(tx.now);
    let by = actor(&row, id, origin);
    let act = AuditEntry::new(GRANT, Subject::Client(row.id));
    let lacking = |name: &&String| !row.permissions.contains(name);
    if wanted.is_some_and(|wanted| wanted.iter().any(|name| lacking(&name))) {
        return Err(audit::deny(tx, &by, act, Code::PermissionNotHeld));
    }
    let is_wanted = |name: &&String| wanted.is_none_or(|wanted| wanted.contains(name));
    let permissions: Vec<String> = row.permissions.iter().filter(is_wanted).cloned().collect();
    let expires_at = issuer.expiry(tx.now);
    let grant = GrantRow {
        id,
        client_id: row.id,
        permissions: permissions.clone(),
        created_at: tx.now,
        expires_at,
    };
    store::insert_grant(tx.conn, &grant)?;
    let told = json!({"sid": id, "permissions": permissions});
    audit::record(tx, &by, act.with_change(Value::Null, told))?;
    Ok(IssuedClientToken {
        access_token: issuer.client_token(row.id, id, permissions.clone(), tx.now)?,
        expires_at,
        permissions,
    })
}

/// Ends what a client was given, as it wishes itself; what has ended already stays so.
///
/// # Errors
/// When the database fails.
pub fn revoke_grant(
    tx: &mut Tx<'_>,
    client: ClientId,
    grant: ClientGrantId,
    origin: &Origin,
) -> TxResult<()> {
    tx.invalidate(Invalidation::Principal(client.0));
    let row = store::find(tx.conn, client)?.ok_or(Code::AuthInvalidCredentials)?;
    if store::remove_grant(tx.conn, client, grant)? > 0 {
        let by = actor(&row, grant, origin);
        let ended = json!({"sid": grant});
        let act = AuditEntry::new("client.giveBack", Subject::Client(client));
        audit::record(tx, &by, act.with_change(ended, Value::Null))?;
    }
    Ok(())
}

/// Ends what every client was given; how much that was. The act that leads to it is the caller's to record.
///
/// # Errors
/// When the database fails.
pub fn end_all_grants(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    tx.invalidate(Invalidation::All);
    Ok(store::remove_all_grants(tx.conn)?)
}

/// Forgets what was given and has run out.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_grants_before(tx.conn, tx.now)?)
}

fn actor(row: &ClientRow, grant: ClientGrantId, origin: &Origin) -> Actor {
    Actor {
        identity: Identity::Client { id: row.id, grant },
        username: Some(row.name.as_str().into()),
        ..Actor::anonymous(origin.clone())
    }
}
