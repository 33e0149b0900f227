//! Whether an account lives, and what ends with it, with its password or with its address.

use chrono::{DateTime, Utc};

use super::store::UserRow;
use crate::access::sessions::{self, EndReason};
use crate::access::tokens;
use crate::accounts::password_reset;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::{SessionId, UserId};

/// Whether an account is good for anything: active, not deleted, its time not over.
#[must_use]
pub fn is_alive(row: &UserRow, now: DateTime<Utc>) -> bool {
    row.is_active && row.deleted_at.is_none() && row.expires_at.is_none_or(|end| end > now)
}

/// Ends every session of an account but `spare` (how many those were), its reset link and, when it is the account that
/// ends, its tokens.
///
/// # Errors
/// When the database fails.
pub(super) fn end(
    tx: &mut Tx<'_>,
    id: UserId,
    why: EndReason,
    spare: Option<SessionId>,
) -> Result<usize, AppError> {
    password_reset::service::end(tx, id)?;
    if why.is_of_the_account() {
        tokens::service::end_all(tx, id)?;
    }
    sessions::service::end_all(tx, id, why, spare)
}
