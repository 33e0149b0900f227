//! The keys that sign access tokens: made once, kept in the database encrypted under `ROSTERD_SECRET_KEY`, published
//! (the public half) as a JWK set.

use std::collections::HashMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};

use super::Actor;
use super::store::{self, KeyRow};
use crate::audit::{self, Act, Subject};
use crate::db::{Tx, lock};
use crate::error::{Acted, AppError};
use crate::secrets::{Purpose, Vault};

/// The keys that are not dead: one signs, all verify.
pub struct KeySet {
    kid: String,
    signing: EncodingKey,
    verifying: HashMap<String, DecodingKey>,
    jwks: Value,
}

impl KeySet {
    /// The id of the key that signs.
    #[must_use]
    pub fn signing_kid(&self) -> &str {
        &self.kid
    }

    /// The key that signs.
    #[must_use]
    pub const fn signing_key(&self) -> &EncodingKey {
        &self.signing
    }

    /// The public key of this id.
    #[must_use]
    pub fn verifying_key(&self, kid: &str) -> Option<&DecodingKey> {
        self.verifying.get(kid)
    }

    /// The public keys as a JWK set (RFC 7517, section 5).
    #[must_use]
    pub const fn jwks(&self) -> &Value {
        &self.jwks
    }
}

/// Reads the keys, making the first one if there is none; of many replicas that start together one makes it.
///
/// # Errors
/// When the stored keys were encrypted under another `ROSTERD_SECRET_KEY`, or the database fails.
pub fn load_or_make(tx: &mut Tx<'_>, vault: &Vault) -> Acted<KeySet> {
    lock::change(tx.conn, lock::Invariant::SigningKeys)?;
    if store::keys(tx.conn, tx.now)?.is_empty() {
        let row = make(tx, vault)?;
        let act = Act::new("signingKey.create", Subject::SigningKey(row.kid.clone()));
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
    let rows = store::keys(tx.conn, tx.now)?;
    for row in &rows {
        vault.open(Purpose::SigningKey, row.kid.as_bytes(), &row.sealed_private)?;
    }
    Ok(rows.len())
}

/// Reads the keys.
///
/// # Errors
/// As [`load_or_make`]; also when there is no key that may sign.
pub fn load(tx: &mut Tx<'_>, vault: &Vault) -> Result<KeySet, AppError> {
    let rows = store::keys(tx.conn, tx.now)?;
    let signs = rows
        .iter()
        .find(|row| row.active_at <= tx.now)
        .ok_or_else(|| AppError::internal("there is no signing key"))?;
    let private = vault.open(
        Purpose::SigningKey,
        signs.kid.as_bytes(),
        &signs.sealed_private,
    )?;
    let mut verifying = HashMap::new();
    for row in &rows {
        let jwk: Jwk =
            serde_json::from_value(row.public_jwk.clone()).map_err(AppError::internal)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(AppError::internal)?;
        verifying.insert(row.kid.clone(), key);
    }
    Ok(KeySet {
        kid: signs.kid.clone(),
        signing: EncodingKey::from_ec_der(&private),
        verifying,
        jwks: json!({"keys": rows.iter().map(|row| &row.public_jwk).collect::<Vec<_>>()}),
    })
}

fn make(tx: &Tx<'_>, vault: &Vault) -> Result<KeyRow, AppError> {
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
        active_at: tx.now,
        expires_at: None,
    })
}
