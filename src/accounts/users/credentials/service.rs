//! How an account proves itself, as others change it: its password and its sessions.

use serde_json::json;

use crate::access::authentication::{self, Actor, Can, Need, needs};
use crate::access::passwords::PasswordHash;
use crate::access::rate_limit;
use crate::access::sessions::{self, EndReason};
use crate::accounts::users::authorization::{LockMode, LockedUser};
use crate::accounts::users::lifecycle;
use crate::accounts::users::policy::authority::Deed;
use crate::accounts::users::service::apply;
use crate::accounts::users::store::{self, Changes, UserRow};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::{SessionId, UserId};

/// What the audit log calls choosing another password for oneself.
pub const CHANGE_PASSWORD: &str = "user.password.change";

/// Gives an account another password and ends its sessions (but the caller's own).
///
/// # Errors
/// 404; the refusals of the rules of authority; 412.
pub fn reset_password(
    tx: &mut Tx<'_>,
    by: &Can<needs::ResetPasswords>,
    id: UserId,
    password: &PasswordHash,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.password.reset";
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::TakeOver], expected)?;
    let changes = Changes {
        password_hash: Some(Some(password.as_str().to_owned())),
        ..Changes::default()
    };
    replace(tx, by, ACT, &scene.row, &changes, by.session_id())
}

/// Removes an account's password and ends its sessions.
///
/// # Errors
/// As [`reset_password`], and [`Code::LastSuperAdmin`].
pub fn remove_password(
    tx: &mut Tx<'_>,
    by: &Can<needs::ResetPasswords>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.password.remove";
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::RemovePassword], expected)?;
    let changes = Changes {
        password_hash: Some(None),
        ..Changes::default()
    };
    replace(tx, by, ACT, &scene.row, &changes, by.session_id())
}

/// Removes an account's second factor, if it has one: from then on its password alone signs it in.
///
/// # Errors
/// As [`reset_password`].
pub fn remove_second_factor(
    tx: &mut Tx<'_>,
    by: &Can<needs::ResetPasswords>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.mfa.remove";
    let scene = LockedUser::enter(tx, by, id, LockMode::Authority)?;
    scene.permit(tx, by, ACT, &[Deed::TakeOver], expected)?;
    let changes = Changes {
        mfa_enabled: Some(false).filter(|_| scene.row.mfa_enabled),
        ..Changes::default()
    };
    apply(tx, by, ACT, &scene.row, &changes).map(drop)
}

/// Gives an account the password that its owner chose, ending every other session. The caller has proven the old one,
/// as it was at `password_version`; a password that was changed meanwhile wins.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the account or the caller's session has ended meanwhile,
/// [`Code::AuthInvalidCredentials`] when the proof is out of date.
pub fn set_own_password(
    tx: &mut Tx<'_>,
    by: &Actor,
    id: UserId,
    password_version: i64,
    password: &PasswordHash,
) -> TxResult<()> {
    let row = store::hold(tx.conn, id)?
        .filter(|row| lifecycle::is_alive(row, tx.now))
        .ok_or(Code::AuthTokenInvalid)?;
    authentication::resolve::current_authority(tx, by)?;
    if row.password_version != password_version {
        return Err(Code::AuthInvalidCredentials.into());
    }
    let changes = Changes {
        password_hash: Some(Some(password.as_str().to_owned())),
        must_change_password: Some(false),
        ..Changes::default()
    };
    replace(tx, by, CHANGE_PASSWORD, &row, &changes, by.session_id())
}

/// Gives an account the password that the holder of its reset link chose; every session ends.
///
/// # Errors
/// When the database fails.
pub fn set_password_by_link(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    row: &UserRow,
    password: &PasswordHash,
) -> TxResult<()> {
    let changes = Changes {
        password_hash: Some(Some(password.as_str().to_owned())),
        must_change_password: Some(false),
        ..Changes::default()
    };
    replace(tx, by, act, row, &changes, None)
}

/// Notes that mail to the account's address reaches its owner.
///
/// # Errors
/// When the database fails.
pub fn confirm_email(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    row: &UserRow,
) -> TxResult<()> {
    let changes = Changes {
        email_confirmed: Some(true),
        ..Changes::default()
    };
    apply(tx, by, act, row, &changes).map(drop)
}

/// The account, held, for an act that lets somebody else sign in as it.
///
/// # Errors
/// 404; the refusals of the rules of authority, recorded as `act`; 412; [`Code::UserDeleted`].
pub fn hold_to_hand_over<N: Need>(
    tx: &mut Tx<'_>,
    by: &Can<N>,
    id: UserId,
    act: &'static str,
    expected: &IfMatch,
) -> TxResult<UserRow> {
    let scene = LockedUser::enter(tx, by, id, LockMode::OnlyThisAccount)?;
    scene.permit(tx, by, act, &[Deed::TakeOver], expected)?;
    Ok(scene.row)
}

/// The account, held, for an act that ends what it is signed in with.
///
/// # Errors
/// As [`hold_to_hand_over`].
pub fn hold_to_sign_out<N: Need>(
    tx: &mut Tx<'_>,
    by: &Can<N>,
    id: UserId,
    act: &'static str,
    expected: &IfMatch,
) -> TxResult<UserRow> {
    let scene = LockedUser::enter(tx, by, id, LockMode::OnlyThisAccount)?;
    scene.permit(tx, by, act, &[Deed::SignOut], expected)?;
    Ok(scene.row)
}

/// Ends all sessions of an account.
///
/// # Errors
/// 404; the refusals of the rules of authority; 412.
pub fn sign_out(
    tx: &mut Tx<'_>,
    by: &Can<needs::RevokeSessions>,
    id: UserId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "user.signOut";
    hold_to_sign_out(tx, by, id, ACT, expected)?;
    let ended = sessions::service::end_all(tx, id, EndReason::SignedOutByOther, None)?;
    audit::record(
        tx,
        by,
        AuditEntry::new(ACT, Subject::User(id))
            .changing(json!({"sessions": ended}), json!({"sessions": 0})),
    )?;
    Ok(())
}

fn replace(
    tx: &mut Tx<'_>,
    by: &Actor,
    act: &'static str,
    row: &UserRow,
    changes: &Changes,
    spare: Option<SessionId>,
) -> TxResult<()> {
    tx.invalidate(Invalidation::Principal(row.id.0));
    store::update(tx.conn, row.id, tx.now, changes).map_err(AppError::from)?;
    store::bump_password_version(tx.conn, row.id)?;
    rate_limit::service::forget_failures(tx, row.id)?;
    let ended = lifecycle::end(tx, row.id, EndReason::PasswordChanged, spare)?;
    let act = AuditEntry::new(act, Subject::User(row.id)).changing(
        json!({"hasPassword": row.password_hash.is_some(), "otherSessions": ended}),
        json!({"hasPassword": changes.password_hash.as_ref().is_some_and(Option::is_some), "otherSessions": 0}),
    );
    audit::record(tx, by, act)?;
    Ok(())
}
