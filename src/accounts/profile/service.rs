//! Seeing and changing one's own account.

use crate::access::authentication::{Actor, SignedIn};
use crate::access::passwords::{PasswordHash, Proof};
use crate::accounts::users::service::{CHANGE_OWN, CHANGE_PASSWORD, DELETE_OWN};
use crate::accounts::users::{self, Change, User};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::Mail;
use crate::platform::db::Tx;
use crate::platform::error::{Code, TxAbort, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::UserId;

/// Gives the caller's account the password that its owner chose, after the old one was proven; other sessions end.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`] when the old password was wrong, or is the old one no longer.
pub fn change_password(
    tx: &mut Tx<'_>,
    by: &Actor,
    id: UserId,
    proof: &Proof,
    password: &PasswordHash,
) -> TxResult<()> {
    demand_right(tx, by, CHANGE_PASSWORD, id, proof)?;
    users::service::set_own_password(tx, by, id, proof.password_version, password)
}

/// Changes what the caller may change about the own account, after the password was proven if it was brought.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`] as [`change_password`]; 412; [`Code::UserEmailConflict`].
pub fn change(
    tx: &mut Tx<'_>,
    mail: &Mail,
    by: &SignedIn,
    change: &Change,
    proof: Option<&Proof>,
    expected: &IfMatch,
) -> TxResult<User> {
    if let Some(proof) = proof {
        demand_right(tx, by, CHANGE_OWN, by.id, proof)?;
    }
    let version = proof.map(|proof| proof.password_version);
    users::service::change_own(tx, mail, by, change, version, expected)
}

/// Deletes the caller's own account, after its password was proven.
///
/// # Errors
/// [`Code::AuthInvalidCredentials`] as [`change_password`]; 412; [`Code::LastSuperAdmin`].
pub fn delete(tx: &mut Tx<'_>, by: &SignedIn, proof: &Proof, expected: &IfMatch) -> TxResult<()> {
    demand_right(tx, by, DELETE_OWN, by.id, proof)?;
    users::service::delete_own(tx, by, proof.password_version, expected)
}

fn demand_right(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    id: UserId,
    proof: &Proof,
) -> Result<(), TxAbort> {
    if proof.is_right {
        return Ok(());
    }
    let act = AuditEntry::new(act, Subject::User(id));
    Err(audit::refuse(tx, by, act, Code::AuthInvalidCredentials))
}
