//! Sealing, verifying and shortening the chain. Each takes the chain's advisory lock, so that they run one at a time.

use chrono::{Days, NaiveTime};
use serde_json::{Value, json};

use super::hash_chain::{ChainHead, ChainLink, Hash, Tampering, TamperingKind, ZERO_HASH};
use super::store::{self, ChainAnchor, NewChainLink, SealedEventRow};
use crate::access::actor::Actor;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, TxResult};

/// The number of rows that are read or sealed at once.
const BATCH: i64 = 1000;

/// The result of [`verify`].
#[derive(Debug)]
pub enum ChainReport {
    /// Every row is unchanged.
    Intact(ChainSummary),
    /// The first row that fails verification.
    Tampered(Tampering),
}

/// A verified chain.
#[derive(Clone, Copy, Debug)]
pub struct ChainSummary {
    /// The newest position.
    pub head: ChainHead,
    /// The number of sealed rows that still exist.
    pub rows: i64,
    /// The number of rows that are not sealed yet.
    pub unsealed: i64,
}

/// Whether there are rows to seal.
///
/// # Errors
/// Database errors.
pub fn has_unsealed(tx: &mut Tx<'_>) -> Result<bool, AppError> {
    Ok(store::has_unsealed(tx.conn)?)
}

/// The number of rows to seal.
///
/// # Errors
/// Database errors.
pub fn count_unsealed(tx: &mut Tx<'_>) -> Result<i64, AppError> {
    Ok(store::count_unsealed(tx.conn)?)
}

/// Seals one batch of rows and returns whether there may be more. Does nothing while another process holds the lock.
///
/// # Errors
/// Database errors.
pub fn seal(tx: &mut Tx<'_>, vault: &Vault) -> Result<bool, AppError> {
    if !advisory_lock::try_lock_exclusive(tx.conn, advisory_lock::Invariant::AuditChain)? {
        return Ok(false);
    }
    let mut head = head(tx)?;
    let rows = store::unsealed(tx.conn, BATCH)?;
    let mut seals = Vec::with_capacity(rows.len());
    for row in &rows {
        head = head.append(&row.column_values);
        seals.push(NewChainLink {
            position: head.position,
            event_id: row.event_id,
            at: row.at,
            hash: head.hash.to_vec(),
            mac: mac(vault, &head.seal_bytes()),
            prune_lock: crypto::sha256(&mac(vault, &head.anchor_bytes())).to_vec(),
        });
    }
    let queue_ids: Vec<i64> = rows.iter().map(|row| row.queue_id).collect();
    store::seal(tx.conn, &seals, &queue_ids)?;
    Ok(i64::try_from(rows.len()).unwrap_or(BATCH) == BATCH)
}

/// The number of batches that [`verify`] reads, for a progress display.
///
/// # Errors
/// Database errors.
pub fn count_batches(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let start = store::anchor(tx.conn)?.map_or(0, |(position, ..)| position);
    let rows = head(tx)?.position - start;
    Ok(usize::try_from(rows.div_euclid(BATCH) + 1).unwrap_or(1))
}

/// Verifies the chain from its start to its head, and that every event row is part of it.
/// `expected` is a head that was printed earlier: the chain must still contain it. `on_batch` is called after each of the
/// [`count_batches`] batches.
///
/// # Errors
/// Database errors.
pub fn verify(
    tx: &mut Tx<'_>,
    vault: &Vault,
    expected: Option<&ChainHead>,
    on_batch: &mut dyn FnMut(),
) -> Result<ChainReport, AppError> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::AuditChain)?;
    store::disable_statement_timeout(tx.conn)?;
    Ok(match verify_chain(tx, vault, expected, on_batch)? {
        Ok(summary) => ChainReport::Intact(summary),
        Err(tampering) => ChainReport::Tampered(tampering),
    })
}

fn verify_chain(
    tx: &mut Tx<'_>,
    vault: &Vault,
    expected: Option<&ChainHead>,
    on_batch: &mut dyn FnMut(),
) -> Result<Result<ChainSummary, Tampering>, AppError> {
    let tampering = |kind, position, event| Tampering {
        kind,
        position,
        event,
    };
    let mut head = match store::anchor(tx.conn)? {
        None => ChainHead::EMPTY,
        Some((position, hash, anchor_mac)) => {
            let anchor = chain_head(position, &hash);
            if !is_mac_valid(vault, &anchor.anchor_bytes(), &anchor_mac) {
                return Ok(Err(tampering(TamperingKind::Foreign, Some(position), None)));
            }
            anchor
        }
    };
    let start = head.position;
    let differs = |head: &ChainHead| {
        expected.is_some_and(|expected| expected.position == head.position && expected != head)
    };
    if differs(&head) {
        return Ok(Err(tampering(TamperingKind::Changed, Some(start), None)));
    }
    loop {
        let rows = store::sealed(tx.conn, head.position, BATCH)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let link = link(vault, row);
            head = match head.verify_link(&link) {
                Ok(next) if differs(&next) => {
                    return Ok(Err(tampering(
                        TamperingKind::Changed,
                        Some(next.position),
                        Some(link.event),
                    )));
                }
                Ok(next) => next,
                Err(tampering) => return Ok(Err(tampering)),
            };
        }
        on_batch();
    }
    if expected.is_some_and(|expected| expected.position > head.position) {
        let missing = Some(head.position + 1);
        return Ok(Err(tampering(TamperingKind::Deleted, missing, None)));
    }
    if let Some(event) = store::first_missing_unsealed(tx.conn)? {
        return Ok(Err(tampering(TamperingKind::Deleted, None, Some(event))));
    }
    if let Some(event) = store::first_event_outside_chain(tx.conn)? {
        return Ok(Err(tampering(TamperingKind::Inserted, None, Some(event))));
    }
    Ok(Ok(ChainSummary {
        head,
        rows: head.position - start,
        unsealed: store::count_unsealed(tx.conn)?,
    }))
}

/// Deletes one batch of rows that are older than `days` full days (UTC) and returns whether there may be more. The deletion
/// is itself recorded in the log.
///
/// # Errors
/// Database errors.
pub fn expire(tx: &mut Tx<'_>, vault: &Vault, days: u32) -> Result<bool, AppError> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::AuditChain)?;
    let today = tx.now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let Some(before) = today.checked_sub_days(Days::new(days.into())) else {
        return Ok(false);
    };
    let Some((position, hash)) = store::last_older_than(tx.conn, before, BATCH)? else {
        return Ok(false);
    };
    let anchor = chain_head(position, &hash);
    let deleted = store::delete_up_to(tx.conn, position, &mac(vault, &anchor.anchor_bytes()))?;
    let entry = AuditEntry::new("audit.expire", Subject::None)
        .with_change(json!({"rows": deleted, "upTo": position}), Value::Null);
    audit::record(tx, &Actor::system(), entry)?;
    Ok(true)
}

/// Deletes every row of the log and returns their number. The reset is then recorded as the first new row.
///
/// # Errors
/// Database errors, for example when the database role may not delete from the log.
pub fn reset(tx: &mut Tx<'_>, vault: &Vault, actor: &Actor) -> TxResult<usize> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::AuditChain)?;
    let head = head(tx)?;
    let anchor: Option<ChainAnchor> = (head != ChainHead::EMPTY).then(|| {
        let anchor_mac = mac(vault, &head.anchor_bytes());
        (head.position, head.hash.to_vec(), anchor_mac)
    });
    store::disable_statement_timeout(tx.conn).map_err(AppError::from)?;
    let deleted = store::delete_all(tx.conn, anchor.as_ref()).map_err(AppError::from)?;
    let entry = AuditEntry::new("audit.reset", Subject::None)
        .with_change(json!({"rows": deleted, "upTo": head.position}), Value::Null);
    audit::record(tx, actor, entry)?;
    Ok(deleted)
}

/// Authenticates one batch of the chain after this position with the current secret key. Returns how many links were
/// authenticated with the previous one, and the last position of the batch; `None` if there are no more. A link whose MAC is
/// wrong is left as it is, so that [`verify`] still finds it.
///
/// # Errors
/// Database errors, for example when the database role may not change the log.
pub fn reseal_batch(
    tx: &mut Tx<'_>,
    vault: &Vault,
    after: i64,
) -> Result<(usize, Option<i64>), AppError> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::AuditChain)?;
    let updated_mac = |message: &[u8], old_mac: &[u8]| {
        let current = mac(vault, message);
        (current != old_mac && is_mac_valid(vault, message, old_mac)).then_some(current)
    };
    if let Some((position, hash, old_mac)) = store::anchor(tx.conn)? {
        let anchor = chain_head(position, &hash);
        if let Some(new_mac) = updated_mac(&anchor.anchor_bytes(), &old_mac) {
            store::set_anchor_mac(tx.conn, position, &new_mac)?;
        }
    }
    let links = store::links(tx.conn, after, BATCH)?;
    let last = links.last().map(|(position, ..)| *position);
    let (mut positions, mut macs, mut prune_locks) = (Vec::new(), Vec::new(), Vec::new());
    for (position, hash, old_mac) in links {
        let link = chain_head(position, &hash);
        if let Some(new_mac) = updated_mac(&link.seal_bytes(), &old_mac) {
            positions.push(position);
            macs.push(new_mac);
            prune_locks.push(crypto::sha256(&mac(vault, &link.anchor_bytes())).to_vec());
        }
    }
    if !positions.is_empty() {
        store::set_macs(tx.conn, &positions, &macs, &prune_locks)?;
    }
    Ok((positions.len(), last))
}

fn head(tx: &mut Tx<'_>) -> Result<ChainHead, AppError> {
    let last = match store::last_seal(tx.conn)? {
        Some(last) => Some(last),
        None => store::anchor(tx.conn)?,
    };
    Ok(last.map_or(ChainHead::EMPTY, |(position, hash, _)| {
        chain_head(position, &hash)
    }))
}

fn link(vault: &Vault, row: SealedEventRow) -> ChainLink {
    let head = chain_head(row.position, &row.hash);
    ChainLink {
        position: row.position,
        event: row.event_id,
        column_values: row.column_values,
        hash: head.hash,
        is_personal_data_valid: row.is_personal_data_valid,
        is_mac_valid: is_mac_valid(vault, &head.seal_bytes(), &row.mac),
    }
}

/// A stored hash of the wrong length becomes the zero hash, which no row has.
fn chain_head(position: i64, hash: &[u8]) -> ChainHead {
    let hash = Hash::try_from(hash).unwrap_or(ZERO_HASH);
    ChainHead { position, hash }
}

fn is_mac_valid(vault: &Vault, message: &[u8], mac: &[u8]) -> bool {
    vault.is_mac_valid(KeyPurpose::AuditChain, message, mac)
}

fn mac(vault: &Vault, message: &[u8]) -> Vec<u8> {
    vault.mac(KeyPurpose::AuditChain, message).to_vec()
}
