//! Reserves a rate-limit slot for a password attempt and records its outcome. Called by `PasswordService::check_password`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::login_target::{LoginTarget, uuid_from_hash};
use super::policy::{self, CallerTrust, Network};
use super::store::{
    self, CounterKey, ExpiryCutoffs, FailureCounterRow, SlotLimits, SourceUsageRow,
    SuccessfulAttempt,
};
use crate::access::actor::Actor;
use crate::audit::{self, AuditEntry, SignInFailureReason, Subject};
use crate::platform::crypto;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxAbort, TxResult};
use crate::platform::ids::UserId;

/// Password attempts refused because of the budget of a network.
static NETWORK_REFUSALS: AtomicU64 = AtomicU64::new(0);

/// An attempt to use a password.
#[derive(Clone)]
pub struct PasswordAttempt {
    /// The caller and where the request came from.
    pub actor: Actor,
    /// The audit action that the password is needed for.
    pub action: &'static str,
    /// The owner of the password.
    pub target: LoginTarget,
}

/// Whether an attempt may proceed now.
pub enum SlotDecision {
    /// The attempt may proceed.
    Granted(RateLimitSlot),
    /// The attempt may not proceed. [`check_limits`] finds out why.
    Denied(CallerTrust),
}

/// The slot of an attempt in flight. If no outcome is recorded, the attempt counts as a failure.
#[derive(Clone)]
pub struct RateLimitSlot {
    target: Uuid,
    trust: CallerTrust,
    started_at: DateTime<Utc>,
    source: String,
    /// The source and the networks that were charged for the attempt, in the order of their locks.
    charged: Vec<String>,
}

impl PasswordAttempt {
    fn source(&self) -> String {
        source_or_empty(self.actor.origin.ip)
    }

    fn networks(&self) -> Vec<Network> {
        self.actor
            .origin
            .ip
            .map(policy::networks)
            .unwrap_or_default()
    }

    /// Whether the caller has a session of the account.
    fn has_own_session(&self) -> bool {
        self.actor.session_id().is_some() && self.actor.user_id() == self.target.account()
    }

    /// Whether the account recently signed in on the caller's device.
    fn is_from_own_device(&self) -> bool {
        let device_of = self.actor.origin.device_of;
        device_of.is_some() && device_of == self.target.account()
    }

    fn deny(&self, tx: &mut Tx<'_>, is_audited: bool, error: AppError) -> TxAbort {
        if is_audited {
            let entry = AuditEntry::new(self.action, self.target.subject())
                .with_reason(SignInFailureReason::RateLimited);
            audit::deny(tx, &self.actor, entry, error)
        } else {
            TxAbort::Commit(error)
        }
    }
}

impl RateLimitSlot {
    /// How likely the caller is the account's owner.
    #[must_use]
    pub const fn trust(&self) -> CallerTrust {
        self.trust
    }

    fn counter(&self) -> CounterKey {
        counter_key(self.target, self.trust)
    }
}

/// Requests a slot for an attempt.
///
/// # Errors
/// Database errors.
pub fn request_slot(tx: &mut Tx<'_>, attempt: &PasswordAttempt) -> Result<SlotDecision, AppError> {
    let source = attempt.source();
    let limits = SlotLimits {
        max_in_flight: policy::max_in_flight(0),
        recognition_period: policy::RECOGNITION_PERIOD,
        source_quota: policy::source_quota(CallerTrust::Unknown),
        known_source_quota: policy::source_quota(CallerTrust::Known),
        source_window: policy::SOURCE_WINDOW,
        networks: attempt
            .networks()
            .into_iter()
            .map(|network| (network.key, network.quota))
            .unzip(),
        network_share: policy::NETWORK_SHARE,
    };
    let target = attempt.target.id();
    let devices = attempt
        .is_from_own_device()
        .then(|| device_counter_id(target));
    let is_trusted = attempt.has_own_session();
    let row = store::request_slot(tx.conn, target, is_trusted, devices, &source, &limits)?;
    let trust = match (row.is_device, row.is_trusted) {
        (true, _) => CallerTrust::KnownDevice,
        (false, true) => CallerTrust::Known,
        (false, false) => CallerTrust::Unknown,
    };
    let Some(started_at) = row.started_at else {
        return Ok(SlotDecision::Denied(trust));
    };
    let mut charged = Vec::new();
    if trust != CallerTrust::KnownDevice {
        charged.push(source.clone());
    }
    if row.are_networks_charged {
        charged.extend(limits.networks.0);
    }
    let slot = RateLimitSlot {
        target,
        trust,
        started_at,
        source,
        charged,
    };
    if row.is_source_allowed {
        return Ok(SlotDecision::Granted(slot));
    }
    store::release_slot(tx.conn, slot.counter(), slot.started_at)?;
    Ok(SlotDecision::Denied(trust))
}

/// Finds out why an attempt was denied. `Ok` means that other attempts hold all slots, so the caller may retry soon.
///
/// # Errors
/// [`Code::RateLimited`](crate::platform::error::Code::RateLimited), recorded in the audit log at most once per minute.
/// Database errors.
pub fn check_limits(
    tx: &mut Tx<'_>,
    attempt: &PasswordAttempt,
    trust: CallerTrust,
) -> TxResult<()> {
    let key = counter_key(attempt.target.id(), trust);
    if let Some(mut counter) = store::lock_counter(tx.conn, key)? {
        count_interrupted_attempts(&mut counter, trust, tx.now);
        let is_blocked = counter.blocked_until > tx.now;
        let is_audited = is_blocked && is_audit_due(counter.refusal_audited_at, tx.now);
        if is_audited {
            counter.refusal_audited_at = Some(tx.now);
        }
        store::update_counter(tx.conn, key, &counter)?;
        if is_blocked {
            let (limit, wait) = policy::account_limit_exceeded(counter.blocked_until, tx.now);
            return Err(attempt.deny(tx, is_audited, AppError::rate_limited(limit, wait)));
        }
    }
    if trust == CallerTrust::KnownDevice {
        // Attempts from known devices are not charged to their source.
        return Ok(());
    }
    let source = attempt.source();
    let quota = policy::source_quota(trust);
    if let Some((row, is_audited)) = find_exceeded(tx, &source, quota)? {
        let (limit, wait) =
            policy::window_limit_exceeded("source", quota, row.window_ends_at, tx.now);
        return Err(attempt.deny(tx, is_audited, AppError::rate_limited(limit, wait)));
    }
    if trust == CallerTrust::Unknown {
        check_networks(tx, attempt)?;
    }
    Ok(())
}

/// Fails if a network around the source has used up its budget. The first refusal of each minute is also recorded as an
/// event of its own, because it means that guesses are spread over many addresses.
fn check_networks(tx: &mut Tx<'_>, attempt: &PasswordAttempt) -> TxResult<()> {
    for network in attempt.networks() {
        let Some((row, is_audited)) = find_exceeded(tx, &network.key, network.quota)? else {
            continue;
        };
        NETWORK_REFUSALS.fetch_add(1, Ordering::Relaxed);
        if is_audited {
            tracing::warn!(
                network = network.key,
                "too many wrong passwords from one network"
            );
            let values = json!({"network": network.key, "failures": row.quota_used});
            let entry = AuditEntry::new("rateLimit.networkFlood", Subject::None)
                .with_change(Value::Null, values);
            audit::record(tx, &Actor::system(), entry)?;
        }
        let (limit, wait) =
            policy::window_limit_exceeded("network", network.quota, row.window_ends_at, tx.now);
        return Err(attempt.deny(tx, is_audited, AppError::rate_limited(limit, wait)));
    }
    Ok(())
}

/// The usage of a source or network that has used up its quota, and whether this refusal is recorded in the audit log.
fn find_exceeded(
    tx: &mut Tx<'_>,
    source: &str,
    quota: i32,
) -> Result<Option<(SourceUsageRow, bool)>, AppError> {
    let row = store::lock_source(tx.conn, source)?;
    let Some(row) = row.filter(|row| row.quota_used >= quota && row.window_ends_at > tx.now) else {
        return Ok(None);
    };
    let is_audited = is_audit_due(row.refusal_audited_at, tx.now);
    if is_audited {
        store::set_source_audited(tx.conn, source, tx.now)?;
    }
    Ok(Some((row, is_audited)))
}

/// The password attempts that this process refused because of the budget of a network, for the metrics.
#[must_use]
pub fn network_refusals() -> u64 {
    NETWORK_REFUSALS.load(Ordering::Relaxed)
}

/// Records a correct password: resets the account's failures and remembers the source as known.
///
/// # Errors
/// Database errors.
pub fn record_success(tx: &mut Tx<'_>, slot: &RateLimitSlot) -> Result<(), AppError> {
    let attempt = SuccessfulAttempt {
        target: slot.target,
        devices: device_counter_id(slot.target),
        counter: slot.counter(),
        started_at: slot.started_at,
        source: &slot.source,
        charged: &slot.charged,
    };
    store::record_success(tx.conn, &attempt, policy::max_in_flight(0))?;
    Ok(())
}

/// Records a wrong password.
///
/// # Errors
/// Database errors.
pub fn record_failure(tx: &mut Tx<'_>, slot: &RateLimitSlot) -> Result<(), AppError> {
    let Some(mut counter) = store::lock_counter(tx.conn, slot.counter())? else {
        // The password was changed during the attempt, which deleted the counter. The failure concerns the old password.
        return Ok(());
    };
    counter
        .attempts_in_flight
        .retain(|started_at| *started_at != slot.started_at);
    add_failures(&mut counter, 1, slot.trust, tx.now);
    counter.last_attempt_at = tx.now;
    store::update_counter(tx.conn, slot.counter(), &counter)?;
    Ok(())
}

/// Releases the slot of an attempt whose password was not verified. If the attempt was counted against its source, that
/// count is undone.
///
/// # Errors
/// Database errors.
pub fn release_slot(tx: &mut Tx<'_>, slot: &RateLimitSlot) -> Result<(), AppError> {
    store::release_slot(tx.conn, slot.counter(), slot.started_at)?;
    for source in &slot.charged {
        store::refund_source(tx.conn, source, tx.now)?;
    }
    Ok(())
}

/// Deletes the failure counters of an account whose password has changed.
///
/// # Errors
/// Database errors.
pub fn reset_failures(tx: &mut Tx<'_>, account: UserId) -> Result<(), AppError> {
    store::delete_counters(tx.conn, &[account.0, device_counter_id(account.0)])?;
    Ok(())
}

/// Deletes the failure counters and known sources of an account that is purged.
///
/// # Errors
/// Database errors.
pub fn delete_account_records(tx: &mut Tx<'_>, account: UserId) -> Result<(), AppError> {
    store::delete_known_sources(tx.conn, account.0)?;
    reset_failures(tx, account)
}

/// Deletes rows that no longer affect any decision. Failures of an account are kept until a sign-in succeeds; those of an
/// unknown username are deleted 30 days after the last attempt.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let cutoffs = ExpiryCutoffs {
        idle_counters: tx.now - TimeDelta::days(1),
        unknown_username_counters: tx.now - TimeDelta::days(30),
        known_sources: tx.now - policy::RECOGNITION_PERIOD,
        source_windows: tx.now,
    };
    Ok(store::delete_expired(tx.conn, &cutoffs)?)
}

/// The source of an address. All requests without an address share the empty source.
pub(super) fn source_or_empty(address: Option<IpAddr>) -> String {
    address.map(policy::source_key).unwrap_or_default()
}

/// The counter for failures of this target at this trust level.
fn counter_key(target: Uuid, trust: CallerTrust) -> CounterKey {
    let (target, is_trusted) = match trust {
        CallerTrust::Unknown => (target, false),
        CallerTrust::Known => (target, true),
        CallerTrust::KnownDevice => (device_counter_id(target), true),
    };
    CounterKey { target, is_trusted }
}

/// The counter target of an account's known devices.
fn device_counter_id(account: Uuid) -> Uuid {
    uuid_from_hash(crypto::digest(&format!("devices of {account}")))
}

/// Counts attempts that exceeded the timeout as failures.
fn count_interrupted_attempts(
    counter: &mut FailureCounterRow,
    trust: CallerTrust,
    now: DateTime<Utc>,
) {
    let before = counter.attempts_in_flight.len();
    counter
        .attempts_in_flight
        .retain(|started_at| *started_at > now - policy::ATTEMPT_TIMEOUT);
    let interrupted = before - counter.attempts_in_flight.len();
    if interrupted > 0 {
        let failures = i32::try_from(interrupted).unwrap_or(i32::MAX);
        add_failures(counter, failures, trust, now);
    }
}

fn add_failures(
    counter: &mut FailureCounterRow,
    added: i32,
    trust: CallerTrust,
    now: DateTime<Utc>,
) {
    counter.failures = counter.failures.saturating_add(added);
    counter.max_in_flight = policy::max_in_flight(counter.failures);
    counter.blocked_until = policy::blocked_until(counter.failures, trust, now);
}

pub(super) fn is_audit_due(audited_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    audited_at.is_none_or(|audited_at| now - audited_at >= policy::AUDIT_INTERVAL)
}
