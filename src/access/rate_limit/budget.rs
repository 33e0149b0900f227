//! Budgets for requests that need no account, shared by all replicas. Each kind of request has its own budget for each source
//! and each network, so that one kind of request does not block another.

use std::net::IpAddr;

use chrono::TimeDelta;

use super::login_target::uuid_from_hash;
use super::policy::{self, SOURCE_QUOTA, SOURCE_WINDOW};
use super::service::{is_audit_due, source_or_empty};
use super::store;
use crate::access::actor::Actor;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::crypto::{KeyPurpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::UserId;

/// A kind of request with a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Requests for a reset link by email.
    ResetRequests,
    /// Registrations with a valid request. Each costs a password hash.
    Registrations,
    /// Invalid tokens of reset links, email confirmations and invites. A valid token is never limited.
    InvalidTokens,
    /// Failed authentication of service clients. Correct credentials are never limited.
    ClientAuthentication,
    /// Rejected and repeated refresh tokens. Only their records in the audit log are limited.
    RefreshTokens,
}

/// The window of the mail that one address receives.
const RECIPIENT_WINDOW: TimeDelta = TimeDelta::hours(1);
/// Messages with a link that one address receives in the window.
const RECIPIENT_QUOTA: i32 = 5;

impl Budget {
    /// Requests of one source per window.
    const fn quota(self) -> i32 {
        match self {
            Self::ResetRequests => 30,
            Self::Registrations | Self::InvalidTokens | Self::RefreshTokens => 60,
            Self::ClientAuthentication => SOURCE_QUOTA,
        }
    }

    /// Requests of a network per window, for each source that its quota of password attempts is worth.
    const fn network_quota(self, password_quota: i32) -> i32 {
        4 * self.quota() * (password_quota / SOURCE_QUOTA)
    }

    const fn key_prefix(self) -> &'static str {
        match self {
            Self::ResetRequests => "reset",
            Self::Registrations => "register",
            Self::InvalidTokens => "token",
            Self::ClientAuthentication => "program",
            Self::RefreshTokens => "refresh",
        }
    }
}

/// A request that exceeded a budget.
struct Exceeded {
    error: AppError,
    /// Whether this refusal is recorded in the audit log: at most one per minute and budget.
    is_audited: bool,
}

/// Charges a request for the audit action `action` to its budgets.
///
/// # Errors
/// [`Code::RateLimited`], recorded in the audit log at most once per minute. Database errors.
pub fn charge(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action: &'static str,
    budget: Budget,
) -> TxResult<()> {
    match charge_address(tx, budget, actor.origin.ip)? {
        None => Ok(()),
        Some(exceeded) if exceeded.is_audited => {
            let entry = AuditEntry::new(action, Subject::None);
            Err(audit::deny(tx, actor, entry, exceeded.error))
        }
        Some(exceeded) => Err(TxAbort::Commit(exceeded.error)),
    }
}

/// The error for a caller with an invalid token or secret: `code`, or [`Code::RateLimited`] when its source or network sends
/// too many. Tokens cannot be guessed: the budget limits the work and the records of a flood.
pub fn deny(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: AuditEntry,
    code: Code,
    budget: Budget,
) -> TxAbort {
    match charge_address(tx, budget, actor.origin.ip) {
        Ok(None) => audit::deny(tx, actor, entry, code),
        Ok(Some(exceeded)) if exceeded.is_audited => audit::deny(tx, actor, entry, exceeded.error),
        Ok(Some(exceeded)) => TxAbort::Commit(exceeded.error),
        Err(error) => error.into(),
    }
}

/// As [`deny`], but always answers with `code`: when the budget is used up, only the records are limited to one per minute.
pub fn deny_unlimited(
    tx: &mut Tx<'_>,
    actor: &Actor,
    entry: AuditEntry,
    code: Code,
    budget: Budget,
) -> TxAbort {
    match is_recorded(tx, actor, budget) {
        Ok(true) => audit::deny(tx, actor, entry, code),
        Ok(false) => TxAbort::Commit(code.into()),
        Err(error) => error.into(),
    }
}

/// Charges the budget. Whether the request is recorded in the audit log: always within the budget, then once per minute.
///
/// # Errors
/// Database errors.
pub fn is_recorded(tx: &mut Tx<'_>, actor: &Actor, budget: Budget) -> Result<bool, AppError> {
    let exceeded = charge_address(tx, budget, actor.origin.ip)?;
    Ok(exceeded.is_none_or(|exceeded| exceeded.is_audited))
}

/// Charges a message with a link to the address that would receive it. False when the address received enough messages
/// within the hour. The address need not belong to an account; it is stored as a keyed hash.
///
/// # Errors
/// Database errors.
pub fn charge_recipient(tx: &mut Tx<'_>, vault: &Vault, address: &str) -> Result<bool, AppError> {
    let hash = vault.mac(KeyPurpose::MailRecipient, address.to_lowercase().as_bytes());
    let key = format!("recipient {}", uuid_from_hash(hash));
    let row = store::charge_source(tx.conn, &key, tx.now, tx.now + RECIPIENT_WINDOW)?;
    Ok(row.quota_used <= RECIPIENT_QUOTA)
}

/// Charges a notice about a sign-in to its owner. False when the owner got enough within the day.
///
/// # Errors
/// Database errors.
pub fn charge_notice(tx: &mut Tx<'_>, owner: UserId) -> Result<bool, AppError> {
    const WINDOW: TimeDelta = TimeDelta::days(1);
    const QUOTA: i32 = 5;
    let key = format!("notice {owner}");
    let row = store::charge_source(tx.conn, &key, tx.now, tx.now + WINDOW)?;
    Ok(row.quota_used <= QUOTA)
}

/// Charges the source and then its networks, until one of them has used up its budget.
fn charge_address(
    tx: &mut Tx<'_>,
    budget: Budget,
    address: Option<IpAddr>,
) -> Result<Option<Exceeded>, AppError> {
    let source = ("source", source_or_empty(address), budget.quota());
    let networks = address.map(policy::networks).unwrap_or_default();
    let networks = networks.into_iter().map(|network| {
        let quota = budget.network_quota(network.quota);
        ("network", network.key, quota)
    });
    for (policy, key, quota) in std::iter::once(source).chain(networks) {
        let key = format!("{} {key}", budget.key_prefix());
        let row = store::charge_source(tx.conn, &key, tx.now, tx.now + SOURCE_WINDOW)?;
        if row.quota_used > quota {
            let is_audited = is_audit_due(row.refusal_audited_at, tx.now);
            if is_audited {
                store::set_source_audited(tx.conn, &key, tx.now)?;
            }
            let (limit, wait) =
                policy::window_limit_exceeded(policy, quota, row.window_ends_at, tx.now);
            let error = AppError::rate_limited(limit, wait);
            return Ok(Some(Exceeded { error, is_audited }));
        }
    }
    Ok(None)
}
