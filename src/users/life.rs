//! Whether an account lives, and what ends with it, with its password or with its address.

use chrono::{DateTime, Utc};

use super::store::UserRow;
use crate::db::Tx;
use crate::error::AppError;
use crate::ids::{SessionId, UserId};
use crate::reset_links;
use crate::sessions::{self, Ending};
use crate::tokens;

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
    why: Ending,
    spare: Option<SessionId>,
) -> Result<usize, AppError> {
    reset_links::service::end(tx, id)?;
    if why.is_of_the_account() {
        tokens::service::end_all(tx, id)?;
    }
    sessions::service::end_all(tx, id, why, spare)
}
