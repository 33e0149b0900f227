//! Making an account for whoever registers. Whether they may, and what they are given, is decided before.

use serde_json::{Value, json};

use super::giving::Gift;
use super::input::Draft;
use super::model::User;
use super::service::{new_row, present};
use super::store;
use super::story;
use crate::audit::{self, Act, Subject};
use crate::auth::Actor;
use crate::db::Tx;
use crate::error::{Acted, AppError, Code};
use crate::ids::{InviteId, UserId};
use crate::passwords::PasswordHash;

/// What came of a registration.
pub enum Joined {
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
    gift: Gift,
    password: &PasswordHash,
    invite: Option<InviteId>,
) -> Acted<Joined> {
    let row = new_row(tx, draft, gift, Some(password));
    if store::insert_unless_taken(tx.conn, &row)? == 1 {
        let mut story = story::of_new(act, &row);
        if let (Some(Value::Object(after)), Some(invite)) = (&mut story.after, invite) {
            after.insert("invite".to_owned(), json!(invite));
        }
        audit::record(tx, by, story)?;
        return Ok(Joined::Made(present(tx, row)?));
    }
    if store::by_username(tx.conn, &row.username)?.is_some() {
        return Err(Code::UserUsernameConflict.into());
    }
    let email = row.email.as_deref().unwrap_or_default();
    let owner = store::by_email(tx.conn, email)?.map(|owner| owner.id);
    // Whoever was in the way is gone already.
    let owner = owner.ok_or_else(|| AppError::new(Code::Overloaded))?;
    let refused = Act::new(act, Subject::User(owner));
    audit::record_refused(tx, by, refused, Code::UserEmailConflict)?;
    Ok(Joined::EmailTaken {
        shown: present(tx, row)?,
        owner,
    })
}
