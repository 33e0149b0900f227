//! Answering a repeated request as the first time.

use chrono::TimeDelta;
use uuid::Uuid;

use super::store::{self, KeptRow};
use crate::access::authentication::{Can, Need};
use crate::platform::crypto::{self, Purpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::http::{Kept, Reply};

/// How long answers are kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// A request that may be a repetition.
pub struct Ask {
    /// The operation's id in the OpenAPI document.
    pub operation: &'static str,
    /// The caller's key, if one was sent.
    pub key: Option<String>,
    /// The keyed hash of the body.
    pub body: [u8; 32],
}

impl Ask {
    /// A request for this operation with this body.
    #[must_use]
    pub fn new(vault: &Vault, operation: &'static str, key: Option<String>, body: &[u8]) -> Self {
        Self {
            operation,
            key,
            body: vault.mac(Purpose::RequestBody, body),
        }
    }
}

/// Runs `make`, which answers and names what it made, unless the same request was answered before: then that answer is
/// given again. While the first is still at work, the second waits. The caller is authorized anew either way.
///
/// # Errors
/// Those of `make`, whose answer is then not kept; [`Code::IdempotencyKeyReused`]; 401 or 403 for a caller who has lost
/// the permission.
pub fn once<N: Need>(
    tx: &mut Tx<'_>,
    vault: &Vault,
    by: &Can<N>,
    ask: &Ask,
    make: impl FnOnce(&mut Tx<'_>) -> TxResult<(Reply, Option<Uuid>)>,
) -> TxResult<Reply> {
    let Some(key) = &ask.key else {
        return make(tx).map(|(reply, _)| reply);
    };
    by.renew(tx)?;
    let place = KeptRow {
        caller: by.key(),
        route: ask.operation.to_owned(),
        key: key.clone(),
        request_mac: ask.body.to_vec(),
        sealed_reply: None,
        made: None,
        created_at: tx.now,
    };
    store::expire(tx.conn, &place, tx.now - KEPT_FOR)?;
    if store::claim(tx.conn, &place)? == 0 {
        return Ok(replay(tx, vault, &place)?);
    }
    match make(tx) {
        Ok((reply, of)) => {
            let kept = reply.into_kept();
            let plain = serde_json::to_vec(&kept).map_err(AppError::internal)?;
            let sealed = vault.seal(Purpose::KeptReply, context(&place).as_bytes(), &plain)?;
            store::fill(tx.conn, &place, &sealed, of)?;
            Ok(Reply::first(kept))
        }
        Err(TxAbort::Commit(refusal)) => {
            store::release(tx.conn, &place)?;
            Err(TxAbort::Commit(refusal))
        }
        Err(undone) => Err(undone),
    }
}

/// Forgets the answers that are older than a retry may be.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::forget_before(tx.conn, tx.now - KEPT_FOR)?)
}

/// Forgets the answer to the request that made this: it may hold a copy.
///
/// # Errors
/// When the database fails.
pub fn forget_of(tx: &mut Tx<'_>, made: Uuid) -> Result<usize, AppError> {
    Ok(store::forget_of(tx.conn, made)?)
}

fn replay(tx: &mut Tx<'_>, vault: &Vault, place: &KeptRow) -> Result<Reply, AppError> {
    let row = store::find(tx.conn, place)?.ok_or(Code::Overloaded)?;
    if !crypto::same(&row.request_mac, &place.request_mac) {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let sealed = row.sealed_reply.ok_or(Code::Overloaded)?;
    let plain = vault.open(Purpose::KeptReply, context(place).as_bytes(), &sealed)?;
    let kept: Kept = serde_json::from_slice(&plain).map_err(AppError::internal)?;
    Ok(Reply::replay(kept))
}

/// What a kept answer is bound to, so that none can be moved to another place.
fn context(place: &KeptRow) -> String {
    format!("{}\n{}\n{}", place.caller, place.route, place.key)
}
