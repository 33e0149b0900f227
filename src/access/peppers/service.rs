//! Creating and loading the peppers.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::store::{self, PepperRow};
use crate::access::actor::Actor;
use crate::access::passwords::Pepper;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, TxResult};

/// All peppers, the newest last. If there is none, creates the first; of several replicas that start at the same time, one
/// does.
///
/// # Errors
/// When a pepper was encrypted with another `ROSTERD_SECRET_KEY`; database errors.
pub fn load_or_create(tx: &mut Tx<'_>, vault: &Vault) -> TxResult<Vec<Pepper>> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Peppers)?;
    if store::all(tx.conn)?.is_empty() {
        create(tx, vault)?;
    }
    Ok(load(tx, vault)?)
}

/// All peppers, the newest last.
///
/// # Errors
/// As [`load_or_create`].
pub fn load(tx: &mut Tx<'_>, vault: &Vault) -> Result<Vec<Pepper>, AppError> {
    let rows = store::all(tx.conn)?.into_iter();
    rows.map(|row| decrypt(&row, vault)).collect()
}

/// Encrypts all peppers with the current secret key and returns how many were encrypted with the previous one.
///
/// If there were any, and peppers are enabled, new hashes get a new pepper: who had the previous secret key and a copy of the
/// database knows the old one.
///
/// # Errors
/// A pepper was encrypted with neither key; database errors.
pub fn reseal(tx: &mut Tx<'_>, vault: &Vault, is_enabled: bool) -> TxResult<usize> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Peppers)?;
    let mut resealed = 0;
    for row in store::all(tx.conn)? {
        let sealed = &row.encrypted_secret;
        if let Some(sealed) = vault.reseal(KeyPurpose::PasswordPepper, &row.id, sealed)? {
            resealed += store::set_secret(tx.conn, &row.id, &sealed)?;
        }
    }
    if is_enabled && resealed > 0 {
        create(tx, vault)?;
    }
    Ok(resealed)
}

fn create(tx: &mut Tx<'_>, vault: &Vault) -> Result<(), AppError> {
    let id = crypto::random_bytes::<8>()?;
    let secret = Zeroizing::new(crypto::random_bytes::<32>()?);
    let row = PepperRow {
        id: id.to_vec(),
        encrypted_secret: vault.seal(KeyPurpose::PasswordPepper, &id, secret.as_slice())?,
        created_at: tx.now,
    };
    store::insert(tx.conn, &row)?;
    let entry = AuditEntry::new("passwordPepper.create", Subject::None)
        .with_change(Value::Null, json!({"keyid": crypto::encode_base64url(&id)}));
    audit::record(tx, &Actor::system(), entry)
}

fn decrypt(row: &PepperRow, vault: &Vault) -> Result<Pepper, AppError> {
    let secret = vault.open(KeyPurpose::PasswordPepper, &row.id, &row.encrypted_secret)?;
    let secret = Zeroizing::new(secret);
    let wrong_length = |_| AppError::internal("a password pepper has the wrong length");
    Ok(Pepper {
        id: row.id.as_slice().try_into().map_err(wrong_length)?,
        secret: Zeroizing::new(secret.as_slice().try_into().map_err(wrong_length)?),
    })
}
