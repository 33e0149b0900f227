//! Runs a request once, and replays its response when it is repeated.

use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use super::store::{self, RequestKey, StoredReplyRow};
use crate::access::authentication::{Can, Need};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::{Db, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::http::{IdempotencyKey, Reply, StoredReply};

/// How long responses are stored.
pub const RETENTION: TimeDelta = TimeDelta::hours(24);

/// How many responses are encrypted again in one transaction.
const RESEAL_BATCH: i64 = 500;

/// What identifies a repeated request, together with the caller.
pub struct IdempotentRequest {
    /// The operationId in the OpenAPI document.
    operation: &'static str,
    /// The `Idempotency-Key` header, if it was sent.
    key: Option<String>,
    /// A MAC of the body, to detect that a key is reused with a different body.
    body_mac: [u8; 32],
    /// The same with the previous secret key, if there is one.
    previous_body_mac: Option<[u8; 32]>,
    /// Encrypts the stored response.
    vault: Arc<Vault>,
}

impl IdempotentRequest {
    /// A request to this operation with this body.
    #[must_use]
    pub fn new(
        vault: &Arc<Vault>,
        operation: &'static str,
        key: IdempotencyKey,
        body: &[u8],
    ) -> Self {
        Self {
            operation,
            key: key.0,
            body_mac: vault.mac(KeyPurpose::IdempotencyRequest, body),
            previous_body_mac: vault.previous_mac(KeyPurpose::IdempotencyRequest, body),
            vault: vault.clone(),
        }
    }

    /// Runs `handle` in a transaction. It returns the response and the id of the created resource; the response is stored.
    /// If the same request was answered before, returns the stored response instead. A concurrent repetition waits for the
    /// first request. In both cases the permission of the caller is checked again. For a response with a secret, use
    /// [`Self::run_with_secret`].
    ///
    /// # Errors
    /// Those of `handle`, whose response is then not stored; [`Code::IdempotencyKeyReused`] if the body differs; 401 or 403
    /// if the caller has lost the permission.
    pub async fn run<N: Need>(
        self,
        db: &Db,
        caller: Can<N>,
        mut handle: impl FnMut(&mut Tx<'_>, &Can<N>) -> TxResult<(Reply, Option<Uuid>)> + Send + 'static,
    ) -> Result<Reply, AppError> {
        db.write(move |tx| run_once(tx, &caller, &self, |_| Ok(()), |tx| handle(tx, &caller)))
            .await
    }

    /// [`Self::run`], for a response that contains a secret. Before it is replayed, `authorize` checks again that the caller
    /// may have the secret: the target may have changed since the first request.
    ///
    /// # Errors
    /// As [`Self::run`], and those of `authorize`.
    pub async fn run_with_secret<N: Need>(
        self,
        db: &Db,
        caller: Can<N>,
        mut authorize: impl FnMut(&mut Tx<'_>, &Can<N>) -> TxResult<()> + Send + 'static,
        mut handle: impl FnMut(&mut Tx<'_>, &Can<N>) -> TxResult<(Reply, Option<Uuid>)> + Send + 'static,
    ) -> Result<Reply, AppError> {
        db.write(move |tx| {
            let authorize = |tx: &mut Tx<'_>| authorize(tx, &caller);
            run_once(tx, &caller, &self, authorize, |tx| handle(tx, &caller))
        })
        .await
    }
}

fn run_once<N: Need>(
    tx: &mut Tx<'_>,
    caller: &Can<N>,
    request: &IdempotentRequest,
    authorize_replay: impl FnOnce(&mut Tx<'_>) -> TxResult<()>,
    handle: impl FnOnce(&mut Tx<'_>) -> TxResult<(Reply, Option<Uuid>)>,
) -> TxResult<Reply> {
    let vault = &request.vault;
    let Some(key) = &request.key else {
        return handle(tx).map(|(reply, _)| reply);
    };
    caller.current_authority(tx)?;
    let key_row = StoredReplyRow {
        caller: caller.key(),
        operation_id: request.operation.to_owned(),
        key: key.clone(),
        request_mac: request.body_mac.to_vec(),
        encrypted_response: None,
        resource_id: None,
        created_at: tx.now,
    };
    store::delete_if_expired(tx.conn, &key_row, tx.now - RETENTION)?;
    if store::insert_if_absent(tx.conn, &key_row)? == 0 {
        let reply = replay(tx, request, &key_row)?;
        authorize_replay(tx)?;
        return Ok(reply);
    }
    match handle(tx) {
        Ok((reply, resource_id)) => {
            let stored = reply.into_stored();
            let plaintext = serde_json::to_vec(&stored).map_err(AppError::internal)?;
            let context = encryption_context(&key_row);
            let sealed = vault.seal(
                KeyPurpose::IdempotencyResponse,
                context.as_bytes(),
                &plaintext,
            )?;
            store::set_reply(tx.conn, &key_row, &sealed, resource_id)?;
            Ok(Reply::from_stored(stored))
        }
        Err(TxAbort::Commit(error)) => {
            store::delete(tx.conn, &key_row)?;
            Err(TxAbort::Commit(error))
        }
        Err(abort) => Err(abort),
    }
}

/// Encrypts one batch of responses after this request with the current secret key. Returns how many were encrypted with the
/// previous one, and the last request of the batch; `None` if there are no more. Ignores responses that cannot be decrypted.
///
/// # Errors
/// Database errors.
pub fn reseal_batch(
    tx: &mut Tx<'_>,
    vault: &Vault,
    after: Option<&RequestKey>,
) -> Result<(usize, Option<RequestKey>), AppError> {
    let (mut resealed, mut last) = (0, None);
    for row in store::lock_after(tx.conn, after, RESEAL_BATCH)? {
        last = Some(row.request_key());
        let Some(sealed) = &row.encrypted_response else {
            continue;
        };
        let context = encryption_context(&row);
        let result = vault.reseal(KeyPurpose::IdempotencyResponse, context.as_bytes(), sealed);
        if let Ok(Some(sealed)) = result {
            resealed += store::set_reply(tx.conn, &row, &sealed, row.resource_id)?;
        }
    }
    Ok((resealed, last))
}

/// Deletes responses that are older than [`RETENTION`] and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::delete_created_before(tx.conn, tx.now - RETENTION)?)
}

/// Deletes the stored response of the request that created a resource, because it may contain the resource's data.
///
/// # Errors
/// Database errors.
pub fn delete_reply_for(tx: &mut Tx<'_>, resource_id: Uuid) -> Result<usize, AppError> {
    Ok(store::delete_reply_for(tx.conn, resource_id)?)
}

fn replay(
    tx: &mut Tx<'_>,
    request: &IdempotentRequest,
    key_row: &StoredReplyRow,
) -> Result<Reply, AppError> {
    let row = store::find(tx.conn, key_row)?.ok_or(Code::Overloaded)?;
    let is_same = |mac: &[u8; 32]| crypto::constant_time_eq(&row.request_mac, mac);
    if !is_same(&request.body_mac) && !request.previous_body_mac.as_ref().is_some_and(is_same) {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let sealed = row.encrypted_response.ok_or(Code::Overloaded)?;
    let context = encryption_context(key_row);
    let vault = &request.vault;
    let plaintext = vault.open(KeyPurpose::IdempotencyResponse, context.as_bytes(), &sealed)?;
    let stored: StoredReply = serde_json::from_slice(&plaintext).map_err(AppError::internal)?;
    Ok(Reply::replayed(stored))
}

/// The associated data of the encryption: binds a stored response to its caller, operation and key.
fn encryption_context(key_row: &StoredReplyRow) -> String {
    format!(
        "{}\n{}\n{}",
        key_row.caller, key_row.operation_id, key_row.key
    )
}
