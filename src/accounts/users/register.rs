//! Creating an account for a person who registers. The caller has checked that registration is allowed.

use serde_json::{Value, json};

use super::audit_entry;
use super::initial_access::AccessGrant;
use super::input::ValidatedUser;
use super::model::User;
use super::record::{new_row, to_response};
use super::store;
use crate::access::actor::{Actor, Creator};
use crate::access::passwords::PasswordHash;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::ids::{InviteId, UserId};

/// The result of a registration.
pub enum RegistrationOutcome {
    /// The account was created.
    Created(User),
    /// Another account has the email address. Nothing was created.
    EmailTaken {
        /// The account that would have been created. The response shows it, so that it does not reveal whether the
        /// address is taken.
        shown: User,
        /// The account that has the address.
        owner: UserId,
    },
}

impl RegistrationOutcome {
    /// The account that the response shows.
    #[must_use]
    pub fn into_user(self) -> User {
        match self {
            Self::Created(user) | Self::EmailTaken { shown: user, .. } => user,
        }
    }
}

/// Creates an account with this access. The response must not reveal whether an email address is taken, so that is not
/// an error.
///
/// # Errors
/// [`Code::UserUsernameConflict`], whether or not the address is taken too.
pub fn create_registered(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    draft: &ValidatedUser,
    access: AccessGrant,
    password: &PasswordHash,
    invite: Option<InviteId>,
) -> TxResult<RegistrationOutcome> {
    let row = new_row(tx, draft, access, Some(password), Creator::Owner);
    if store::insert_unless_taken(tx.conn, &row)? == 1 {
        let mut entry = audit_entry::created(action_name, &row);
        if let (Some(Value::Object(after)), Some(invite)) = (&mut entry.after, invite) {
            after.insert("invite".to_owned(), json!(invite));
        }
        audit::record(tx, actor, entry)?;
        return Ok(RegistrationOutcome::Created(to_response(tx, row)?));
    }
    if store::find_by_username(tx.conn, &row.username)?.is_some() {
        return Err(Code::UserUsernameConflict.into());
    }
    let email = row.email.as_deref().unwrap_or_default();
    let owner = store::find_by_email(tx.conn, email)?.map(|owner| owner.id);
    // The conflicting account was removed after the insert failed: the client can retry.
    let owner = owner.ok_or_else(|| AppError::new(Code::Overloaded))?;
    let entry = AuditEntry::new(action_name, Subject::User(owner));
    audit::record_denied(tx, actor, entry, Code::UserEmailConflict)?;
    Ok(RegistrationOutcome::EmailTaken {
        shown: to_response(tx, row)?,
        owner,
    })
}
