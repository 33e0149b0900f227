//! Making an account for whoever registers. Whether they may, and what they are given, is decided before.

use serde_json::{Value, json};

use super::audit_entry;
use super::initial_access::AccessGrant;
use super::input::Draft;
use super::model::User;
use super::service::{new_row, present};
use super::store;
use crate::access::authentication::Actor;
use crate::access::passwords::PasswordHash;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::{InviteId, UserId};

/// What came of a registration.
pub enum RegistrationOutcome {
    /// The account was made.
    Made(User),
    /// The address is another account's; nothing was made.
    EmailTaken {
        /// What would have been made: whoever asked is not told the difference.
        shown: User,
        /// Whose address it is.
        owner: UserId,
    },
}

/// Makes an account with what it is given, which is told as `act`. Whoever asks is not told whether an address is taken, so that
/// alone is no failure.
///
/// # Errors
/// [`Code::UserUsernameConflict`], whether or not the address is taken too.
pub fn join(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    draft: &Draft,
    gift: AccessGrant,
    password: &PasswordHash,
    invite: Option<InviteId>,
) -> TxResult<RegistrationOutcome> {
    let row = new_row(tx, draft, gift, Some(password));
    if store::insert_unless_taken(tx.conn, &row)? == 1 {
        let mut story = audit_entry::of_new(act, &row);
        if let (Some(Value::Object(after)), Some(invite)) = (&mut story.after, invite) {
            after.insert("invite".to_owned(), json!(invite));
        }
        audit::record(tx, by, story)?;
        return Ok(RegistrationOutcome::Made(present(tx, row)?));
    }
    if store::by_username(tx.conn, &row.username)?.is_some() {
        return Err(Code::UserUsernameConflict.into());
    }
    let email = row.email.as_deref().unwrap_or_default();
    let owner = store::by_email(tx.conn, email)?.map(|owner| owner.id);
    // Whoever was in the way is gone already.
    let owner = owner.ok_or_else(|| AppError::new(Code::Overloaded))?;
    let refused = AuditEntry::new(act, Subject::User(owner));
    audit::record_refused(tx, by, refused, Code::UserEmailConflict)?;
    Ok(RegistrationOutcome::EmailTaken {
        shown: present(tx, row)?,
        owner,
    })
}
