//! Deleting accounts, for a while or for ever, and bringing them back.

use crate::audit;
use crate::auth::{Can, needs};
use crate::db::{Touched, Tx};
use crate::error::Acted;
use crate::http::IfMatch;
use crate::ids::UserId;
use crate::invites;
use crate::sessions::Ending;
use crate::throttle;
use crate::tokens;
use crate::users::User;
use crate::users::life;
use crate::users::rules::authority::Deed;
use crate::users::scene::{Scene, Touches};
use crate::users::service::apply;
use crate::users::store::{self, Changes};
use crate::users::story;

/// Deletes an account: it can't sign in, keeps its name, and can be restored.
///
/// # Errors
/// [`Code::NotFound`](crate::error::Code::NotFound); the refusals of the rules of authority; 412;
/// [`Code::LastSuperAdmin`](crate::error::Code::LastSuperAdmin).
pub fn delete(
    tx: &mut Tx<'_>,
    by: &Can<needs::DeleteUsers>,
    id: UserId,
    expected: &IfMatch,
) -> Acted<()> {
    const ACT: &str = "user.delete";
    let scene = Scene::enter(tx, by, id, Touches::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::Delete], expected)?;
    life::end(tx, id, Ending::AccountDeleted, None)?;
    let changes = Changes {
        deleted_at: Some(Some(tx.now)).filter(|_| scene.row.deleted_at.is_none()),
        ..Changes::default()
    };
    apply(tx, by, ACT, &scene.row, &changes).map(drop)
}

/// Removes an account for ever, with everything that hangs on it and every word about it in the audit log.
///
/// # Errors
/// As [`delete`].
pub fn purge(
    tx: &mut Tx<'_>,
    by: &Can<needs::DeleteUsers>,
    id: UserId,
    expected: &IfMatch,
) -> Acted<()> {
    const ACT: &str = "user.purge";
    let scene = Scene::enter(tx, by, id, Touches::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::Delete], expected)?;
    tx.touch(Touched::Party(id.0));
    if let Some(email) = &scene.row.email {
        invites::service::forget_address(tx, email)?;
    }
    tokens::service::end_all(tx, id)?;
    store::purge(tx.conn, id)?;
    throttle::service::forget(tx, id)?;
    audit::record(tx, by, story::of_gone(ACT, &scene.row))?;
    audit::service::forget(tx, id)?;
    Ok(())
}

/// Brings a deleted account back; what was ended stays ended.
///
/// # Errors
/// As [`delete`].
pub fn restore(
    tx: &mut Tx<'_>,
    by: &Can<needs::DeleteUsers>,
    id: UserId,
    expected: &IfMatch,
) -> Acted<User> {
    const ACT: &str = "user.restore";
    let scene = Scene::enter(tx, by, id, Touches::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::Restore], expected)?;
    let changes = Changes {
        deleted_at: Some(None).filter(|_| scene.row.deleted_at.is_some()),
        ..Changes::default()
    };
    apply(tx, by, ACT, &scene.row, &changes)
}
