//! Deletes the rows of every module that have expired and can't be used any more, and old deleted accounts.

use std::sync::Arc;

use crate::access::actor::Actor;
use crate::access::authentication::Can;
use crate::access::signing_keys::service as keys;
use crate::access::{clients, rate_limit, revocation_feed, sessions, tokens};
use crate::accounts::{email_confirmations, invites, password_reset, user_admin};
use crate::platform::db::Db;
use crate::platform::error::{AppError, Code};
use crate::{idempotency, mail};

/// Deletes all expired rows in one transaction.
///
/// # Errors
/// Database errors.
pub fn delete_expired_rows(db: &Db) -> Result<(), AppError> {
    db.write_now(|tx| {
        idempotency::service::delete_expired(tx)?;
        sessions::service::delete_expired(tx)?;
        rate_limit::service::delete_expired(tx)?;
        tokens::service::delete_expired(tx)?;
        clients::service::delete_expired(tx)?;
        revocation_feed::service::delete_expired(tx)?;
        keys::delete_expired(tx)?;
        password_reset::service::delete_expired(tx)?;
        email_confirmations::service::delete_expired(tx)?;
        user_admin::service::purge_unconfirmed(tx)?;
        mail::service::delete_stale(tx)?;
        invites::service::delete_expired(tx)?;
        Ok(())
    })
}

/// Purges the accounts that were deleted at least this many days ago, one per transaction, because each takes the locks of
/// an administrator's request.
///
/// # Errors
/// Database errors.
pub fn purge_deleted_accounts(db: &Db, days: u32) -> Result<(), AppError> {
    let system = Can::prove(Arc::new(Actor::system()))?;
    loop {
        match db.write_now(|tx| user_admin::service::purge_next_deleted(tx, &system, days)) {
            Ok(true) => {}
            // Another replica purged the account first.
            Err(error) if error.code() == Code::NotFound => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
