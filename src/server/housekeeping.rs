//! Deletes the rows of every module that have expired and can't be used any more.

use crate::access::signing_keys::service as keys;
use crate::access::{clients, rate_limit, revocation_feed, sessions, tokens};
use crate::accounts::{email_confirmations, invites, password_reset};
use crate::platform::db::Db;
use crate::platform::error::AppError;
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
        mail::service::delete_stale(tx)?;
        invites::service::delete_expired(tx)?;
        Ok(())
    })
}
