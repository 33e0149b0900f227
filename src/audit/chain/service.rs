//! Sealing, verifying and shortening the chain. One at a time: each takes the chain's lock.

use chrono::{Days, NaiveTime};
use serde_json::{Value, json};

use super::policy::{BEGINNING, Fault, Hash, Head, Link, Wrong};
use super::store::{self, ChainAnchor, SealRow, SealedRow};
use crate::access::authentication::Actor;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{self, Purpose, Vault};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, TxResult};

/// How many rows are read or sealed at once.
const BATCH: i64 = 1000;

/// What [`verify`] found.
#[derive(Debug)]
pub enum Report {
    /// Every row is as it was written.
    Sound(Sound),
    /// This is the first that is not.
    Broken(Fault),
}

/// A chain that holds.
#[derive(Clone, Copy, Debug)]
pub struct Sound {
    /// Its end.
    pub head: Head,
    /// How many of its rows are still there.
    pub rows: i64,
    /// How many rows wait to be sealed.
    pub waiting: i64,
}

/// Whether there is anything to seal.
///
/// # Errors
/// When the database fails.
pub fn is_any_waiting(tx: &mut Tx<'_>) -> Result<bool, AppError> {
    Ok(store::is_any_waiting(tx.conn)?)
}

/// Seals rows that wait for it; whether there may be more. While another process seals, there is nothing to do.
///
/// # Errors
/// When the database fails.
pub fn seal(tx: &mut Tx<'_>, vault: &Vault) -> Result<bool, AppError> {
    if !advisory_lock::try_change(tx.conn, advisory_lock::Invariant::AuditChain)? {
        return Ok(false);
    }
    let mut head = head(tx)?;
    let rows = store::waiting(tx.conn, BATCH)?;
    let mut seals = Vec::with_capacity(rows.len());
    for row in &rows {
        head = head.then(&row.members);
        seals.push(SealRow {
            position: head.position,
            event_id: row.event_id,
            at: row.at,
            hash: head.hash.to_vec(),
            mac: mac(vault, &head.signed()),
        });
    }
    let places: Vec<i64> = rows.iter().map(|row| row.place).collect();
    store::seal(tx.conn, &seals, &places)?;
    Ok(i64::try_from(rows.len()).unwrap_or(BATCH) == BATCH)
}

/// How many pages the chain has now.
///
/// # Errors
/// When the database fails.
pub fn pages(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let beginning = store::anchor(tx.conn)?.map_or(0, |(position, ..)| position);
    let rows = head(tx)?.position - beginning;
    Ok(usize::try_from(rows.div_euclid(BATCH) + 1).unwrap_or(1))
}

/// Follows the chain from its beginning to its end, and looks for rows that are in the log and not in the chain.
/// `noted` is a head that was printed earlier: a chain that does not have it is not the one that was verified then. `page` is
/// told of each of the [`pages`] that was followed.
///
/// # Errors
/// When the database fails.
pub fn verify(
    tx: &mut Tx<'_>,
    vault: &Vault,
    noted: Option<&Head>,
    page: &mut dyn FnMut(),
) -> Result<Report, AppError> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::AuditChain)?;
    store::take_the_time(tx.conn)?;
    Ok(match follow(tx, vault, noted, page)? {
        Ok(sound) => Report::Sound(sound),
        Err(fault) => Report::Broken(fault),
    })
}

fn follow(
    tx: &mut Tx<'_>,
    vault: &Vault,
    noted: Option<&Head>,
    page: &mut dyn FnMut(),
) -> Result<Result<Sound, Fault>, AppError> {
    let fault = |wrong, position, event| Fault {
        wrong,
        position,
        event,
    };
    let mut head = match store::anchor(tx.conn)? {
        None => Head::NONE,
        Some((position, hash, signed)) => {
            let anchor = head_of(position, &hash);
            if !crypto::same(&signed, &mac(vault, &anchor.signed_as_anchor())) {
                return Ok(Err(fault(Wrong::Foreign, Some(position), None)));
            }
            anchor
        }
    };
    let beginning = head.position;
    let differs =
        |head: &Head| noted.is_some_and(|noted| noted.position == head.position && noted != head);
    if differs(&head) {
        return Ok(Err(fault(Wrong::Changed, Some(beginning), None)));
    }
    loop {
        let rows = store::sealed(tx.conn, head.position, BATCH)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let link = link(vault, row);
            head = match head.follow(&link) {
                Ok(next) if differs(&next) => {
                    return Ok(Err(fault(
                        Wrong::Changed,
                        Some(next.position),
                        Some(link.event),
                    )));
                }
                Ok(next) => next,
                Err(fault) => return Ok(Err(fault)),
            };
        }
        page();
    }
    if noted.is_some_and(|noted| noted.position > head.position) {
        return Ok(Err(fault(Wrong::Deleted, Some(head.position + 1), None)));
    }
    if let Some(event) = store::waiting_for_nothing(tx.conn)? {
        return Ok(Err(fault(Wrong::Deleted, None, Some(event))));
    }
    if let Some(event) = store::stray(tx.conn)? {
        return Ok(Err(fault(Wrong::Inserted, None, Some(event))));
    }
    Ok(Ok(Sound {
        head,
        rows: head.position - beginning,
        waiting: store::count_waiting(tx.conn)?,
    }))
}

/// Removes rows that were written on an earlier day than `days` ago, at most a batch of them; whether there may be more. The
/// log says so itself.
///
/// # Errors
/// When the database fails.
pub fn expire(tx: &mut Tx<'_>, vault: &Vault, days: u32) -> Result<bool, AppError> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::AuditChain)?;
    let today = tx.now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let Some(before) = today.checked_sub_days(Days::new(days.into())) else {
        return Ok(false);
    };
    let Some((position, hash)) = store::last_older_than(tx.conn, before, BATCH)? else {
        return Ok(false);
    };
    let anchor = head_of(position, &hash);
    let gone = store::forget(tx.conn, position, &mac(vault, &anchor.signed_as_anchor()))?;
    let act = AuditEntry::new("audit.expire", Subject::Nothing)
        .changing(json!({"rows": gone, "upTo": position}), Value::Null);
    audit::record(tx, &Actor::system(), act)?;
    Ok(true)
}

/// Removes every row of the log, which then says who did it; how many those were.
///
/// # Errors
/// When the database fails, or its role may not delete from the log.
pub fn reset(tx: &mut Tx<'_>, vault: &Vault, by: &Actor) -> TxResult<usize> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::AuditChain)?;
    let head = head(tx)?;
    let anchor: Option<ChainAnchor> = (head != Head::NONE).then(|| {
        let signed = mac(vault, &head.signed_as_anchor());
        (head.position, head.hash.to_vec(), signed)
    });
    store::take_the_time(tx.conn).map_err(AppError::from)?;
    let gone = store::clear(tx.conn, anchor.as_ref()).map_err(AppError::from)?;
    let act = AuditEntry::new("audit.reset", Subject::Nothing)
        .changing(json!({"rows": gone, "upTo": head.position}), Value::Null);
    audit::record(tx, by, act)?;
    Ok(gone)
}

fn head(tx: &mut Tx<'_>) -> Result<Head, AppError> {
    let last = match store::last_seal(tx.conn)? {
        Some(last) => Some(last),
        None => store::anchor(tx.conn)?,
    };
    Ok(last.map_or(Head::NONE, |(position, hash, _)| head_of(position, &hash)))
}

fn link(vault: &Vault, row: SealedRow) -> Link {
    let head = head_of(row.position, &row.hash);
    Link {
        position: row.position,
        event: row.event_id,
        members: row.members,
        hash: head.hash,
        is_ours: crypto::same(&row.mac, &mac(vault, &head.signed())),
    }
}

/// What is no hash is taken for none that ever was.
fn head_of(position: i64, hash: &[u8]) -> Head {
    let hash = Hash::try_from(hash).unwrap_or(BEGINNING);
    Head { position, hash }
}

fn mac(vault: &Vault, signed: &[u8]) -> Vec<u8> {
    vault.mac(Purpose::AuditChain, signed).to_vec()
}
