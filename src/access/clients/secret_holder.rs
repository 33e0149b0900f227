//! Who knows the secret of a client: the credential that the secret was shown to. Only this credential may give the client more
//! authority, because anyone else who knows the secret would get it too.

use uuid::Uuid;

use super::store::{self, ClientRow};
use crate::access::actor::{Actor, Creator};
use crate::access::authentication::resolve;
use crate::platform::db::Tx;
use crate::platform::error::AppError;

/// The credential that a secret is shown to: the sessions of a user, a personal access token, a service client, or the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SecretHolder {
    /// The kind of [`Creator`].
    pub kind: &'static str,
    /// The id of the user, token or client.
    pub id: Option<Uuid>,
    /// Changes when someone else may have used the credential before: the password version of a user, or the time at which
    /// the secret of a client was created.
    pub version: Option<i64>,
}

impl SecretHolder {
    /// The credential of this caller, as it is now.
    ///
    /// # Errors
    /// Database errors.
    pub fn of(tx: &mut Tx<'_>, caller: &Actor) -> Result<Self, AppError> {
        let creator = Creator::of(caller);
        let version = match creator {
            Creator::User(id) => resolve::password_version(tx, id)?,
            Creator::Client(id) => {
                let client = store::find(tx.conn, id)?;
                client.map(|row| row.secret_created_at.timestamp_micros())
            }
            _ => None,
        };
        let (kind, id) = creator.to_columns();
        Ok(Self { kind, id, version })
    }
}

/// Whether the caller may give the client more authority: the operator, or the credential that the secret was shown to, if it
/// has not changed since. A secret that was shown to the operator counts as known to no caller.
///
/// # Errors
/// Database errors.
pub(super) fn may_raise(
    tx: &mut Tx<'_>,
    caller: &Actor,
    row: &ClientRow,
) -> Result<bool, AppError> {
    let holder = Creator::from_columns(&row.secret_known_to_kind, row.secret_known_to);
    if holder == Some(Creator::Operator) || Creator::of(caller) == Creator::Operator {
        return Ok(true);
    }
    let caller = SecretHolder::of(tx, caller)?;
    Ok(caller.kind == row.secret_known_to_kind
        && caller.id == row.secret_known_to
        && caller.version == row.secret_holder_version)
}
