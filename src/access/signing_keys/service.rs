//! Creating, loading and rotating the signing keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use serde_json::{Value, json};

use super::store::{self, SigningKeyRow};
use crate::access::actor::Actor;
use crate::access::authentication::{AccessTokenKeyPair, KeySet};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::db::{Invalidation, Tx, advisory_lock};
use crate::platform::error::{AppError, TxResult};

/// How long a key is published before it signs: three times the cache lifetime of the JWK set.
pub const PUBLICATION_LEAD: TimeDelta = TimeDelta::minutes(15);
/// How long a key is accepted after the next one has started to sign: twice the lifetime of an access token.
const OVERLAP: TimeDelta = TimeDelta::minutes(30);

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyState {
    /// Published, but not signing yet.
    Next,
    /// Signing.
    Signing,
    /// No longer signing; its tokens are still accepted.
    Retiring,
}

/// A key as the command line shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyInfo {
    /// The key id: the RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// The state.
    pub state: KeyState,
    /// When it was published.
    pub created_at_utc: DateTime<Utc>,
    /// When it starts to sign.
    pub active_at_utc: DateTime<Utc>,
    /// When its last token has expired; `None` for the newest key.
    pub expires_at_utc: Option<DateTime<Utc>>,
}

/// Loads the keys and creates the first one if there is none. If several replicas start at the same time, one creates it.
///
/// # Errors
/// When the stored keys were encrypted with another `ROSTERD_SECRET_KEY`; database errors.
pub fn load_or_create(tx: &mut Tx<'_>, vault: &Vault) -> TxResult<KeySet> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::SigningKeys)?;
    if store::all(tx.conn, tx.now)?.is_empty() {
        let row = generate(tx, vault, tx.now)?;
        let entry = AuditEntry::new("signingKey.create", Subject::SigningKey(row.kid.clone()));
        store::insert(tx.conn, &row)?;
        audit::record(tx, &Actor::system(), entry)?;
    }
    Ok(load(tx, vault)?)
}

/// The number of keys that have not expired, after decrypting each of them.
///
/// # Errors
/// When a key was encrypted with another `ROSTERD_SECRET_KEY`; database errors.
pub fn count_readable(tx: &mut Tx<'_>, vault: &Vault) -> Result<usize, AppError> {
    let rows = store::all(tx.conn, tx.now)?.into_iter();
    rows.map(|row| decrypt(row, vault).map(drop))
        .try_fold(0, |count, decrypted| decrypted.map(|()| count + 1))
}

/// Loads the keys.
///
/// # Errors
/// No key exists. Otherwise the errors of [`load_or_create`].
pub fn load(tx: &mut Tx<'_>, vault: &Vault) -> Result<KeySet, AppError> {
    let rows = store::all(tx.conn, tx.now)?;
    let keys = rows.into_iter().map(|row| decrypt(row, vault));
    let set = KeySet::new(keys.collect::<Result<_, _>>()?);
    set.signing_key(tx.now.timestamp())?;
    Ok(set)
}

/// Creates a key that signs after [`PUBLICATION_LEAD`] and sets the expiry of the older keys. Running replicas reload the keys.
///
/// # Errors
/// Database errors.
pub fn rotate(tx: &mut Tx<'_>, actor: &Actor, vault: &Vault) -> TxResult<SigningKeyInfo> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::SigningKeys)?;
    let row = generate(tx, vault, tx.now + PUBLICATION_LEAD)?;
    store::expire_at(tx.conn, row.active_at + OVERLAP)?;
    tx.invalidate(Invalidation::SigningKeys);
    store::insert(tx.conn, &row)?;
    let entry = AuditEntry::new("signingKey.rotate", Subject::SigningKey(row.kid.clone()));
    let after = json!({"activeAtUtc": row.active_at});
    audit::record(tx, actor, entry.with_change(Value::Null, after))?;
    Ok(to_signing_key(row, KeyState::Next))
}

/// Replaces all keys at once, because a private key may have been disclosed. The new key signs immediately, and no replica
/// accepts a token of an old key once this is answered. The revocation feed lists the old keys.
///
/// # Errors
/// Database errors.
pub fn replace_compromised(
    tx: &mut Tx<'_>,
    actor: &Actor,
    vault: &Vault,
) -> TxResult<SigningKeyInfo> {
    tx.wait_for_leases();
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::SigningKeys)?;
    let row = generate(tx, vault, tx.now)?;
    let revoked = store::delete_all(tx.conn)?;
    tx.invalidate(Invalidation::SigningKeys);
    store::insert(tx.conn, &row)?;
    let entry = AuditEntry::new("signingKey.rotate", Subject::SigningKey(row.kid.clone()));
    let before = json!({"revokedKeys": revoked});
    let after = json!({"activeAtUtc": row.active_at});
    audit::record(tx, actor, entry.with_change(before, after))?;
    Ok(to_signing_key(row, KeyState::Signing))
}

/// The keys, the last to become active first.
///
/// # Errors
/// Database errors.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<SigningKeyInfo>, AppError> {
    let mut state = KeyState::Next;
    let rows = store::all(tx.conn, tx.now)?.into_iter();
    Ok(rows
        .map(|row| {
            state = match state {
                KeyState::Next if row.active_at > tx.now => KeyState::Next,
                KeyState::Next => KeyState::Signing,
                KeyState::Signing | KeyState::Retiring => KeyState::Retiring,
            };
            to_signing_key(row, state)
        })
        .collect())
}

/// Encrypts all keys with the current secret key and returns how many were encrypted with the previous one.
///
/// # Errors
/// A key was encrypted with neither; database errors.
pub fn reseal(tx: &mut Tx<'_>, vault: &Vault) -> TxResult<usize> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::SigningKeys)?;
    let mut resealed = 0;
    for row in store::all(tx.conn, DateTime::UNIX_EPOCH)? {
        let context = row.kid.as_bytes();
        if let Some(sealed) =
            vault.reseal(KeyPurpose::SigningKey, context, &row.encrypted_private_key)?
        {
            resealed += store::set_private_key(tx.conn, &row.kid, &sealed)?;
        }
    }
    Ok(resealed)
}

/// Deletes the keys whose last token has expired.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_before(tx.conn, tx.now)?)
}

fn decrypt(row: SigningKeyRow, vault: &Vault) -> Result<AccessTokenKeyPair, AppError> {
    let private = vault.open(
        KeyPurpose::SigningKey,
        row.kid.as_bytes(),
        &row.encrypted_private_key,
    )?;
    let jwk: Jwk = serde_json::from_value(row.public_jwk.clone()).map_err(AppError::internal)?;
    Ok(AccessTokenKeyPair {
        signing: EncodingKey::from_ec_der(&private),
        verifying: DecodingKey::from_jwk(&jwk).map_err(AppError::internal)?,
        kid: row.kid,
        public_jwk: row.public_jwk,
        active_at: row.active_at,
        expires_at: row.expires_at,
    })
}

fn to_signing_key(row: SigningKeyRow, state: KeyState) -> SigningKeyInfo {
    SigningKeyInfo {
        kid: row.kid,
        state,
        created_at_utc: row.created_at,
        active_at_utc: row.active_at,
        expires_at_utc: row.expires_at,
    }
}

fn generate(
    tx: &Tx<'_>,
    vault: &Vault,
    active_at: DateTime<Utc>,
) -> Result<SigningKeyRow, AppError> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| AppError::internal("could not generate a signing key"))?;
    let private = EncodingKey::from_ec_der(pkcs8.as_ref());
    let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256).map_err(AppError::internal)?;
    let kid = jwk
        .thumbprint(ThumbprintHash::SHA256)
        .map_err(AppError::internal)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    jwk.common.key_operations = Some(vec![KeyOperations::Verify]);
    Ok(SigningKeyRow {
        public_jwk: serde_json::to_value(&jwk).map_err(AppError::internal)?,
        encrypted_private_key: vault.seal(
            KeyPurpose::SigningKey,
            kid.as_bytes(),
            pkcs8.as_ref(),
        )?,
        kid,
        created_at: tx.now,
        active_at,
        expires_at: None,
    })
}
