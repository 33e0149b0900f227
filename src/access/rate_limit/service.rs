//! Taking a place for an attempt, and saying what came of it. `Passwords::prove` is the one caller of most of this.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::policy::{self, Trust};
use super::store::{self, Done, Limits, Line, TallyRow};
use crate::access::authentication::Actor;
use crate::audit::{self, AuditEntry, Reason, Subject};
use crate::platform::crypto::{self, Purpose, Vault};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::UserId;

/// Whose password is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An account's.
    Account(UserId),
    /// That of a name which no account has, by what stands for it.
    Nobody(Uuid),
}

impl Target {
    /// What stands for a name that no account has: a keyed hash in the form of a UUID (version 8). The name may be a
    /// password typed into the wrong field, so it is kept nowhere.
    #[must_use]
    pub fn nobody(vault: &Vault, name: &str) -> Self {
        Self::Nobody(uuid_of(vault.mac(Purpose::LoginName, name.as_bytes())))
    }

    /// The account, if there is one.
    #[must_use]
    pub const fn account(self) -> Option<UserId> {
        match self {
            Self::Account(id) => Some(id),
            Self::Nobody(_) => None,
        }
    }

    /// What the audit log calls it.
    #[must_use]
    pub const fn subject(self) -> Subject {
        match self {
            Self::Account(id) => Subject::User(id),
            Self::Nobody(id) => Subject::Name(id),
        }
    }

    const fn id(self) -> Uuid {
        match self {
            Self::Account(UserId(id)) | Self::Nobody(id) => id,
        }
    }
}

/// Somebody who is about to try a password.
#[derive(Clone)]
pub struct Attempt {
    /// Who tries, and from where.
    pub by: Actor,
    /// What the password is to be good for, as the audit log calls it.
    pub act: &'static str,
    /// Whose password.
    pub target: Target,
}

/// What an attempt came to.
pub enum Begun {
    /// It may go on.
    RateLimitSlot(RateLimitSlot),
    /// It may not, now; in which tally it asked for a place.
    Refused(Trust),
}

/// An attempt that is under way. One whose outcome is never told counts as failed.
#[derive(Clone)]
pub struct RateLimitSlot {
    target: Uuid,
    trust: Trust,
    begun: DateTime<Utc>,
    source: String,
}

impl Attempt {
    fn source(&self) -> String {
        self.by.origin.ip.map(policy::source_of).unwrap_or_default()
    }

    /// Whether the account's own session asks.
    fn is_own(&self) -> bool {
        self.by.session_id().is_some() && self.by.user_id() == self.target.account()
    }

    /// Whether it comes from a device on which the account signed in lately.
    fn is_from_own_device(&self) -> bool {
        self.by.origin.device_of.is_some() && self.by.origin.device_of == self.target.account()
    }

    fn refuse(&self, tx: &mut Tx<'_>, tell: bool, why: AppError) -> TxAbort {
        if tell {
            let act = AuditEntry::new(self.act, self.target.subject()).because(Reason::RateLimited);
            audit::refuse(tx, &self.by, act, why)
        } else {
            TxAbort::Commit(why)
        }
    }
}

/// Asks for a place.
///
/// # Errors
/// When the database fails.
pub fn begin(tx: &mut Tx<'_>, attempt: &Attempt) -> Result<Begun, AppError> {
    let source = attempt.source();
    let limits = Limits {
        room: policy::room(0),
        known_for: policy::KNOWN_FOR,
        quota: policy::SOURCE_QUOTA,
        window: policy::SOURCE_WINDOW,
    };
    let target = attempt.target.id();
    let device = attempt
        .is_from_own_device()
        .then(|| tally_of_devices(target));
    let row = store::begin(tx.conn, target, attempt.is_own(), device, &source, &limits)?;
    let trust = match (row.is_device, row.is_known) {
        (true, _) => Trust::Device,
        (false, true) => Trust::Known,
        (false, false) => Trust::Stranger,
    };
    let Some(begun) = row.begun else {
        return Ok(Begun::Refused(trust));
    };
    let place = RateLimitSlot {
        target,
        trust,
        begun,
        source,
    };
    if row.is_charged {
        return Ok(Begun::RateLimitSlot(place));
    }
    leave(tx, &place)?;
    Ok(Begun::Refused(trust))
}

/// Looks into why there was no place. All well means that others are under way: ask again soon.
///
/// # Errors
/// [`Code::RateLimited`]; of a stream of these the audit log is told once a minute.
pub fn explain(tx: &mut Tx<'_>, attempt: &Attempt, trust: Trust) -> TxResult<()> {
    let line = line(attempt.target.id(), trust);
    if let Some(mut tally) = store::hold(tx.conn, line)? {
        count_cut_off(&mut tally, trust, tx.now);
        let is_blocked = tally.blocked_until > tx.now;
        let tell = is_blocked && is_due(tally.told_at, tx.now);
        if tell {
            tally.told_at = Some(tx.now);
        }
        store::update(tx.conn, line, &tally)?;
        if is_blocked {
            let (spent, wait) = policy::account_spent(tally.blocked_until, tx.now);
            return Err(attempt.refuse(tx, tell, AppError::rate_limited(spent, wait)));
        }
    }
    if trust == Trust::Device {
        // It has no part in what its address has used up.
        return Ok(());
    }
    let source = attempt.source();
    match store::hold_source(tx.conn, &source)? {
        Some(row) if row.used >= policy::SOURCE_QUOTA && row.ends_at > tx.now => {
            let tell = is_due(row.told_at, tx.now);
            if tell {
                store::told_of_source(tx.conn, &source, tx.now)?;
            }
            let (spent, wait) = policy::source_spent(row.ends_at, tx.now);
            Err(attempt.refuse(tx, tell, AppError::rate_limited(spent, wait)))
        }
        _ => Ok(()),
    }
}

/// Turns away a program that could not prove who it is, and says how: as `why`, or that it shall slow down. Secrets of
/// programs can't be guessed, so what counts is the source alone, on a budget of its own: a program that is set up wrongly
/// keeps nobody beside it from signing in. Being right is never throttled.
pub fn turn_away(tx: &mut Tx<'_>, by: &Actor, act: AuditEntry, why: Code) -> TxAbort {
    let address = by.origin.ip.map(policy::source_of).unwrap_or_default();
    let source = format!("program {address}");
    let charged = store::charge_source(tx.conn, &source, tx.now, tx.now + policy::SOURCE_WINDOW);
    match charged {
        Ok(row) if row.used <= policy::SOURCE_QUOTA => audit::refuse(tx, by, act, why),
        Ok(row) => {
            let (spent, wait) = policy::source_spent(row.ends_at, tx.now);
            let why = AppError::rate_limited(spent, wait);
            if !is_due(row.told_at, tx.now) {
                return TxAbort::Commit(why);
            }
            match store::told_of_source(tx.conn, &source, tx.now) {
                Ok(_) => audit::refuse(tx, by, act, why),
                Err(error) => error.into(),
            }
        }
        Err(error) => error.into(),
    }
}

/// The password was right: the account's failures are forgotten, and its owner is known where this came from.
///
/// # Errors
/// When the database fails.
pub fn succeed(tx: &mut Tx<'_>, place: &RateLimitSlot) -> Result<(), AppError> {
    let done = Done {
        target: place.target,
        devices: tally_of_devices(place.target),
        line: line(place.target, place.trust),
        begun: place.begun,
        source: &place.source,
        is_charged: place.trust != Trust::Device,
    };
    store::succeed(tx.conn, &done, policy::room(0))?;
    Ok(())
}

/// The password was wrong.
///
/// # Errors
/// When the database fails.
pub fn fail(tx: &mut Tx<'_>, place: &RateLimitSlot) -> Result<(), AppError> {
    let line = line(place.target, place.trust);
    let Some(mut tally) = store::hold(tx.conn, line)? else {
        // The password was set anew meanwhile: this was a failure with the old one.
        return Ok(());
    };
    tally.begun.retain(|begun| *begun != place.begun);
    count_failures(&mut tally, 1, place.trust, tx.now);
    tally.touched_at = tx.now;
    store::update(tx.conn, line, &tally)?;
    Ok(())
}

/// The password was not looked at.
///
/// # Errors
/// When the database fails.
pub fn give_back(tx: &mut Tx<'_>, place: &RateLimitSlot) -> Result<(), AppError> {
    leave(tx, place)?;
    if place.trust != Trust::Device {
        store::refund(tx.conn, &place.source, tx.now)?;
    }
    Ok(())
}

/// Forgets an account's failures: its password is another one now.
///
/// # Errors
/// When the database fails.
pub fn forget_failures(tx: &mut Tx<'_>, account: UserId) -> Result<(), AppError> {
    store::forget_tallies(tx.conn, &[account.0, tally_of_devices(account.0)])?;
    Ok(())
}

/// Forgets everything about an account: it is gone.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, account: UserId) -> Result<(), AppError> {
    store::forget_places(tx.conn, account.0)?;
    forget_failures(tx, account)
}

/// Forgets what no decision needs any more. The failures of an account stay until it succeeds; those at a name that no
/// account has go when nobody has tried it for thirty days.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let since = |span: TimeDelta| tx.now - span;
    let (idle, unknown) = (since(TimeDelta::days(1)), since(TimeDelta::days(30)));
    let places = since(policy::KNOWN_FOR);
    Ok(store::forget_before(
        tx.conn, idle, unknown, places, tx.now,
    )?)
}

fn leave(tx: &mut Tx<'_>, place: &RateLimitSlot) -> Result<(), AppError> {
    store::leave(tx.conn, line(place.target, place.trust), place.begun)?;
    Ok(())
}

/// Where the failures of somebody are counted.
fn line(target: Uuid, trust: Trust) -> Line {
    match trust {
        Trust::Stranger => Line {
            target,
            is_known: false,
        },
        Trust::Known => Line {
            target,
            is_known: true,
        },
        Trust::Device => Line {
            target: tally_of_devices(target),
            is_known: true,
        },
    }
}

/// What the devices of an account are counted under.
fn tally_of_devices(account: Uuid) -> Uuid {
    uuid_of(crypto::digest(&format!("devices of {account}")))
}

/// The first half of a hash in the form of a UUID (version 8).
fn uuid_of(hash: [u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(hash) {
        *byte = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn count_cut_off(tally: &mut TallyRow, trust: Trust, now: DateTime<Utc>) {
    let before = tally.begun.len();
    tally.begun.retain(|begun| *begun > now - policy::CUT_OFF);
    let cut_off = before - tally.begun.len();
    if cut_off > 0 {
        count_failures(
            tally,
            i32::try_from(cut_off).unwrap_or(i32::MAX),
            trust,
            now,
        );
    }
}

fn count_failures(tally: &mut TallyRow, more: i32, trust: Trust, now: DateTime<Utc>) {
    tally.failures = tally.failures.saturating_add(more);
    tally.room = policy::room(tally.failures);
    tally.blocked_until = policy::blocked_until(tally.failures, trust, now);
}

fn is_due(told_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    told_at.is_none_or(|told| now - told >= policy::TELL_EVERY)
}
