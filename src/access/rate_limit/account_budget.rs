//! Budgets for what a signed-in user or a service client can do often and what is recorded each time, so that one caller cannot
//! fill the audit log. What ends access is never refused, so that a thief cannot prevent it by using up a budget.

use std::fmt::Display;

use super::policy::{self, SOURCE_WINDOW};
use super::service::is_audit_due;
use super::store;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, TxAbort, TxResult};

/// What is refused when there is too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountBudget {
    /// Changes of the own account that do not end access, for each account.
    OwnChanges,
    /// Changes of the own password, for each account. Only who knows the password can use it up.
    PasswordChanges,
    /// New invites, for each account.
    Invites,
    /// Rotations of refresh tokens, for each session: who stole one session cannot use up the budget of the others.
    Rotations,
}

impl AccountBudget {
    const fn key_prefix(self) -> &'static str {
        match self {
            Self::OwnChanges => "own",
            Self::PasswordChanges => "password",
            Self::Invites => "invite",
            Self::Rotations => "rotation",
        }
    }

    /// The number in each [`SOURCE_WINDOW`].
    const fn quota(self) -> i32 {
        match self {
            Self::PasswordChanges => 60,
            Self::OwnChanges => 120,
            Self::Invites | Self::Rotations => 1200,
        }
    }

    /// What the budget belongs to, for the caller.
    const fn policy(self) -> &'static str {
        match self {
            Self::Rotations => "session",
            _ => "account",
        }
    }
}

/// Charges the budget of an account or a session.
///
/// # Errors
/// [`Code::RateLimited`](crate::platform::error::Code::RateLimited); database errors.
pub fn charge_account(tx: &mut Tx<'_>, owner: impl Display, budget: AccountBudget) -> TxResult<()> {
    let key = format!("{} {owner}", budget.key_prefix());
    let row = store::charge_source(tx.conn, &key, tx.now, tx.now + SOURCE_WINDOW)?;
    if row.quota_used <= budget.quota() {
        return Ok(());
    }
    let (limit, wait) =
        policy::window_limit_exceeded(budget.policy(), budget.quota(), row.window_ends_at, tx.now);
    Err(TxAbort::Commit(AppError::rate_limited(limit, wait)))
}

/// What is never refused. Only its records in the audit log are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordBudget {
    /// Sign-ins with the right password, for each account.
    SignIns,
    /// Rotations of all sessions of an account.
    Rotations,
    /// Revocations that found nothing to revoke, for each account.
    EmptyRevocations,
    /// Access tokens for a service client, and refusals of them.
    ClientGrants,
}

impl RecordBudget {
    const fn key_prefix(self) -> &'static str {
        match self {
            Self::SignIns => "signin",
            Self::Rotations => "rotations",
            Self::EmptyRevocations => "revocation",
            Self::ClientGrants => "grant",
        }
    }

    /// The number of records in each [`SOURCE_WINDOW`].
    const fn quota(self) -> i32 {
        match self {
            Self::EmptyRevocations => 60,
            Self::SignIns => 300,
            Self::Rotations | Self::ClientGrants => 1200,
        }
    }
}

/// Charges the budget of an account or a service client. Whether the event is recorded in the audit log: always within the
/// budget, then once per minute.
///
/// # Errors
/// Database errors.
pub fn is_recorded(
    tx: &mut Tx<'_>,
    owner: impl Display,
    budget: RecordBudget,
) -> Result<bool, AppError> {
    let key = format!("{} {owner}", budget.key_prefix());
    let row = store::charge_source(tx.conn, &key, tx.now, tx.now + SOURCE_WINDOW)?;
    if row.quota_used <= budget.quota() {
        return Ok(true);
    }
    let is_due = is_audit_due(row.refusal_audited_at, tx.now);
    if is_due {
        store::set_source_audited(tx.conn, &key, tx.now)?;
    }
    Ok(is_due)
}
