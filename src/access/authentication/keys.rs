//! The keys that sign access tokens: made once, kept in the database encrypted under `ROSTERD_SECRET_KEY`, published
//! (the public half) as a JWK set.
//!
//! Another key is published for [`LEAD`] before it signs, so that nobody who keeps the set for as long as it may be kept
//! meets a token of a key that they do not know; the one before is published, and accepted, until its last token is dead.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use serde_json::{Value, json};

use super::Actor;
use super::store::{self, KeyRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{Purpose, Vault};
use crate::platform::db::{Invalidation, Tx, advisory_lock};
use crate::platform::error::{AppError, TxResult};

/// How long a key is published before it signs: three times as long as the set may be kept.
pub const LEAD: TimeDelta = TimeDelta::minutes(15);
/// How long a key is accepted after the next one has begun to sign: twice as long as any token lives.
const OVERLAP: TimeDelta = TimeDelta::minutes(30);

/// The keys that are not dead.
pub struct KeySet {
    /// The last to sign first.
    keys: Vec<Key>,
}

struct Key {
    kid: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Value,
    active_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

impl Key {
    fn is_alive(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end.timestamp())
    }
}

impl KeySet {
    /// The key that signs at `now` (seconds since 1970), and its id: the last to have begun; where clocks differ and none has,
    /// the first.
    ///
    /// # Errors
    /// When there are no keys.
    pub fn signing(&self, now: i64) -> Result<(&str, &EncodingKey), AppError> {
        self.keys
            .iter()
            .find(|key| key.active_at.timestamp() <= now)
            .or(self.keys.last())
            .map(|key| (key.kid.as_str(), &key.signing))
            .ok_or_else(|| AppError::internal("there is no signing key"))
    }

    /// The public key of this id, if tokens of it are accepted at `now` (seconds since 1970).
    #[must_use]
    pub fn verifying(&self, kid: &str, now: i64) -> Option<&DecodingKey> {
        let found = self.keys.iter().find(|key| key.kid == kid);
        found
            .filter(|key| key.is_alive(now))
            .map(|key| &key.verifying)
    }

    /// The public keys at `now` (seconds since 1970) as a JWK set (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self, now: i64) -> Value {
        let alive = self.keys.iter().filter(|key| key.is_alive(now));
        json!({"keys": alive.map(|key| &key.public).collect::<Vec<_>>()})
    }
}

/// What a key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyState {
    /// It is published and does not sign yet.
    Next,
    /// It signs.
    Signing,
    /// It signs no more; what it signed is accepted.
    Retiring,
}

/// A key as an operator sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// Its id, the RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// What it does.
    pub state: KeyState,
    /// Since when it is published.
    pub created_at_utc: DateTime<Utc>,
    /// When it begins to sign, or began.
    pub active_at_utc: DateTime<Utc>,
    /// When the last token of it is dead; `None`: it is the last one.
    pub expires_at_utc: Option<DateTime<Utc>>,
}

/// Reads the keys, making the first one if there is none; of many replicas that start together one makes it.
///
/// # Errors
/// When the stored keys were encrypted under another `ROSTERD_SECRET_KEY`, or the database fails.
pub fn load_or_make(tx: &mut Tx<'_>, vault: &Vault) -> TxResult<KeySet> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::SigningKeys)?;
    if store::keys(tx.conn, tx.now)?.is_empty() {
        let row = make(tx, vault, tx.now)?;
        let act = AuditEntry::new("signingKey.create", Subject::SigningKey(row.kid.clone()));
        store::insert_key(tx.conn, &row)?;
        audit::record(tx, &Actor::system(), act)?;
    }
    Ok(load(tx, vault)?)
}

/// How many keys are not dead, each of which this vault can decrypt.
///
/// # Errors
/// When one was encrypted under another `ROSTERD_SECRET_KEY`, or the database fails.
pub fn count_readable(tx: &mut Tx<'_>, vault: &Vault) -> Result<usize, AppError> {
    let rows = store::keys(tx.conn, tx.now)?.into_iter();
    rows.map(|row| open(row, vault).map(drop))
        .try_fold(0, |count, opened| opened.map(|()| count + 1))
}

/// Reads the keys.
///
/// # Errors
/// As [`load_or_make`]; also when there is none.
pub fn load(tx: &mut Tx<'_>, vault: &Vault) -> Result<KeySet, AppError> {
    let rows = store::keys(tx.conn, tx.now)?;
    let keys = rows.into_iter().map(|row| open(row, vault));
    let set = KeySet {
        keys: keys.collect::<Result<_, _>>()?,
    };
    set.signing(tx.now.timestamp())?;
    Ok(set)
}

/// Makes another key, which signs from [`LEAD`] on, and lets those before it end after that. Running services notice.
///
/// # Errors
/// When the database fails.
pub fn rotate(tx: &mut Tx<'_>, by: &Actor, vault: &Vault) -> TxResult<SigningKey> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::SigningKeys)?;
    let row = make(tx, vault, tx.now + LEAD)?;
    store::retire_keys(tx.conn, row.active_at + OVERLAP)?;
    tx.invalidate(Invalidation::Keys);
    store::insert_key(tx.conn, &row)?;
    let act = AuditEntry::new("signingKey.rotate", Subject::SigningKey(row.kid.clone()));
    let made = json!({"activeAtUtc": row.active_at});
    audit::record(tx, by, act.changing(Value::Null, made))?;
    Ok(shown(row, KeyState::Next))
}

/// The keys, the last to sign first.
///
/// # Errors
/// When the database fails.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<SigningKey>, AppError> {
    let mut after = KeyState::Next;
    let rows = store::keys(tx.conn, tx.now)?.into_iter();
    Ok(rows
        .map(|row| {
            after = match after {
                KeyState::Next if row.active_at > tx.now => KeyState::Next,
                KeyState::Next => KeyState::Signing,
                KeyState::Signing | KeyState::Retiring => KeyState::Retiring,
            };
            shown(row, after)
        })
        .collect())
}

/// Forgets the keys whose last token is dead.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_keys_before(tx.conn, tx.now)?)
}

fn open(row: KeyRow, vault: &Vault) -> Result<Key, AppError> {
    let private = vault.open(Purpose::SigningKey, row.kid.as_bytes(), &row.sealed_private)?;
    let jwk: Jwk = serde_json::from_value(row.public_jwk.clone()).map_err(AppError::internal)?;
    Ok(Key {
        signing: EncodingKey::from_ec_der(&private),
        verifying: DecodingKey::from_jwk(&jwk).map_err(AppError::internal)?,
        kid: row.kid,
        public: row.public_jwk,
        active_at: row.active_at,
        expires_at: row.expires_at,
    })
}

fn shown(row: KeyRow, state: KeyState) -> SigningKey {
    SigningKey {
        kid: row.kid,
        state,
        created_at_utc: row.created_at,
        active_at_utc: row.active_at,
        expires_at_utc: row.expires_at,
    }
}

fn make(tx: &Tx<'_>, vault: &Vault, active_at: DateTime<Utc>) -> Result<KeyRow, AppError> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| AppError::internal("no signing key could be made"))?;
    let private = EncodingKey::from_ec_der(pkcs8.as_ref());
    let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256).map_err(AppError::internal)?;
    let kid = jwk
        .thumbprint(ThumbprintHash::SHA256)
        .map_err(AppError::internal)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    jwk.common.key_operations = Some(vec![KeyOperations::Verify]);
    Ok(KeyRow {
        public_jwk: serde_json::to_value(&jwk).map_err(AppError::internal)?,
        sealed_private: vault.seal(Purpose::SigningKey, kid.as_bytes(), pkcs8.as_ref())?,
        kid,
        created_at: tx.now,
        active_at,
        expires_at: None,
    })
}
