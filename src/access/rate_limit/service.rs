//! Reserves a rate-limit slot for a password attempt and records its outcome. Called by `PasswordService::check_password`.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::policy::{self, CallerTrust};
use super::store::{
    self, CounterKey, ExpiryCutoffs, FailureCounterRow, SlotLimits, SuccessfulAttempt,
};
use crate::access::actor::Actor;
use crate::audit::{self, AuditEntry, SignInFailureReason, Subject};
use crate::platform::crypto::{self, KeyPurpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::UserId;

/// The owner of the password that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginTarget {
    /// An account.
    Account(UserId),
    /// A username or email address that no account has, as a keyed hash.
    UnknownUsername(Uuid),
}

impl LoginTarget {
    /// The target for a name that no account has. The name is stored only as a keyed hash in the form of a UUID
    /// (version 8), because users sometimes type their password into the username field.
    #[must_use]
    pub fn unknown_username(vault: &Vault, name: &str) -> Self {
        let hash = vault.mac(KeyPurpose::UnknownUsername, name.as_bytes());
        Self::UnknownUsername(uuid_from_hash(hash))
    }

    /// The account, if there is one.
    #[must_use]
    pub const fn account(self) -> Option<UserId> {
        match self {
            Self::Account(id) => Some(id),
            Self::UnknownUsername(_) => None,
        }
    }

    /// The subject of audit entries about this target.
    #[must_use]
    pub const fn subject(self) -> Subject {
        match self {
            Self::Account(id) => Subject::User(id),
            Self::UnknownUsername(id) => Subject::UnknownUsername(id),
        }
    }

    const fn id(self) -> Uuid {
        match self {
            Self::Account(UserId(id)) | Self::UnknownUsername(id) => id,
        }
    }
}

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
}

impl PasswordAttempt {
    fn source(&self) -> String {
        source_or_empty(self.actor.origin.ip)
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
    /// Whether the attempt was charged to its source: always, except for known devices.
    fn is_charged(&self) -> bool {
        self.trust != CallerTrust::KnownDevice
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
        source_quota: policy::SOURCE_QUOTA,
        source_window: policy::SOURCE_WINDOW,
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
    let slot = RateLimitSlot {
        target,
        trust,
        started_at,
        source,
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
/// [`Code::RateLimited`], recorded in the audit log at most once per minute. Database errors.
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
    match store::lock_source(tx.conn, &source)? {
        Some(row) if row.quota_used >= policy::SOURCE_QUOTA && row.window_ends_at > tx.now => {
            let is_audited = is_audit_due(row.refusal_audited_at, tx.now);
            if is_audited {
                store::set_source_audited(tx.conn, &source, tx.now)?;
            }
            let (limit, wait) = policy::source_limit_exceeded(row.window_ends_at, tx.now);
            Err(attempt.deny(tx, is_audited, AppError::rate_limited(limit, wait)))
        }
        _ => Ok(()),
    }
}

/// The error for a client that failed to authenticate: `code`, or [`Code::RateLimited`] when its source fails too often.
///
/// Client secrets cannot be guessed, so only the source is limited, and by a separate budget: a misconfigured client must
/// not prevent people behind the same address from signing in. Correct credentials are never limited.
pub fn deny_client_authentication(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: AuditEntry,
    code: Code,
) -> TxAbort {
    let source = format!("program {}", source_or_empty(actor.origin.ip));
    let window_end = tx.now + policy::SOURCE_WINDOW;
    let row = match store::charge_source(tx.conn, &source, tx.now, window_end) {
        Ok(row) => row,
        Err(error) => return error.into(),
    };
    if row.quota_used <= policy::SOURCE_QUOTA {
        return audit::deny(tx, actor, entry, code);
    }
    let (limit, wait) = policy::source_limit_exceeded(row.window_ends_at, tx.now);
    let error = AppError::rate_limited(limit, wait);
    if !is_audit_due(row.refusal_audited_at, tx.now) {
        return TxAbort::Commit(error);
    }
    match store::set_source_audited(tx.conn, &source, tx.now) {
        Ok(_) => audit::deny(tx, actor, entry, error),
        Err(error) => error.into(),
    }
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
        is_charged: slot.is_charged(),
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
    if slot.is_charged() {
        store::refund_source(tx.conn, &slot.source, tx.now)?;
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
fn source_or_empty(address: Option<IpAddr>) -> String {
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

/// The first half of a hash in the form of a UUID (version 8).
fn uuid_from_hash(hash: [u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(hash) {
        *byte = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
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

fn is_audit_due(audited_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    audited_at.is_none_or(|audited_at| now - audited_at >= policy::AUDIT_INTERVAL)
}
