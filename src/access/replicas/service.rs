//! Registers this process as a replica and compares its settings with those of the running replicas.

use chrono::TimeDelta;
use uuid::Uuid;

use super::store::{self, NewReplica, ReplicaSettingsRow};
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::AppError;

/// How long after its last heartbeat a replica counts as running.
const ALIVE: TimeDelta = TimeDelta::seconds(30);

/// How long the rows of replicas that stopped without removing them are kept.
const RETENTION: TimeDelta = TimeDelta::hours(1);

/// The settings that all replicas must share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSettings {
    /// `ROSTERD_PUBLIC_URL`.
    pub issuer: String,
    /// `ROSTERD_AUDIENCE`.
    pub audience: String,
    /// `ROSTERD_APP_AUDIENCES`.
    pub app_audiences: Vec<String>,
    /// A keyed hash that identifies `ROSTERD_SECRET_KEY`.
    pub secret_key_id: [u8; 32],
    /// The same of `ROSTERD_SECRET_KEY_PREVIOUS`. Replicas with this key may run.
    pub previous_secret_key_id: Option<[u8; 32]>,
}

/// A setting in which a running replica differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingMismatch {
    /// The running replica has this issuer.
    Issuer(String),
    /// The running replica has this audience.
    Audience(String),
    /// The running replica accepts this audience of an application, and the new one does not. The reverse is permitted, so
    /// that an application can be added without stopping all replicas.
    AppAudience(String),
    /// The running replica has another secret key.
    SecretKey,
}

/// Adds this process to the running replicas, unless one of them has different settings.
///
/// # Errors
/// Database errors.
pub fn register(
    tx: &mut Tx<'_>,
    id: Uuid,
    settings: &SharedSettings,
) -> Result<Option<SettingMismatch>, AppError> {
    advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Replicas)?;
    let running = store::seen_after(tx.conn, tx.now - ALIVE)?;
    let mismatch = running.into_iter().find_map(|row| settings.mismatch(row));
    if mismatch.is_none() {
        store::delete_not_seen_after(tx.conn, tx.now - RETENTION)?;
        let replica = NewReplica {
            id,
            heartbeat: Uuid::new_v4(),
            issuer: &settings.issuer,
            audience: &settings.audience,
            app_audiences: &settings.app_audiences,
            secret_key_id: &settings.secret_key_id,
        };
        store::insert(tx.conn, &replica)?;
    }
    Ok(mismatch)
}

/// Removes this process from the running replicas, because it stops.
///
/// # Errors
/// Database errors.
pub fn unregister(tx: &mut Tx<'_>, id: Uuid) -> Result<usize, AppError> {
    Ok(store::delete(tx.conn, id)?)
}

/// The number of running replicas.
///
/// # Errors
/// Database errors.
pub fn count_running(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let running = store::seen_after(tx.conn, tx.now - ALIVE)?;
    Ok(running.iter().filter(|row| row.issuer.is_some()).count())
}

/// The number of running replicas whose secret key is not the one with this id.
///
/// # Errors
/// Database errors.
pub fn count_with_other_key(tx: &mut Tx<'_>, secret_key_id: &[u8; 32]) -> Result<usize, AppError> {
    let running = store::seen_after(tx.conn, tx.now - ALIVE)?;
    let keys = running.into_iter().filter_map(|row| row.secret_key_id);
    Ok(keys.filter(|key| key != secret_key_id).count())
}

impl SharedSettings {
    fn mismatch(&self, row: ReplicaSettingsRow) -> Option<SettingMismatch> {
        let is_known_key = |key: &Vec<u8>| {
            let previous = self.previous_secret_key_id.as_ref();
            *key == self.secret_key_id || previous.is_some_and(|previous| key == previous)
        };
        let issuer = row.issuer.filter(|issuer| *issuer != self.issuer);
        let audience = row.audience.filter(|audience| *audience != self.audience);
        let app_audience = row
            .app_audiences
            .into_iter()
            .flatten()
            .find(|name| !self.app_audiences.contains(name));
        let key = row.secret_key_id.filter(|key| !is_known_key(key));
        issuer
            .map(SettingMismatch::Issuer)
            .or(audience.map(SettingMismatch::Audience))
            .or(app_audience.map(SettingMismatch::AppAudience))
            .or(key.map(|_| SettingMismatch::SecretKey))
    }
}
