//! Seeing and changing one's own account.

use crate::auth::Actor;
use crate::db::Tx;
use crate::error::{Acted, Code};
use crate::ids::UserId;
use crate::passwords::{PasswordHash, Proof};
use crate::users;

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
) -> Acted<()> {
    if !proof.is_right {
        let act = crate::audit::Act::new(
            users::service::CHANGE_PASSWORD,
            crate::audit::Subject::User(id),
        );
        return Err(crate::audit::refuse(
            tx,
            by,
            act,
            Code::AuthInvalidCredentials,
        ));
    }
    users::service::set_own_password(tx, by, id, proof.password_version, password)
}
