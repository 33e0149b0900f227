//! Setting and removing passwords, removing the second factor, and signing out everywhere.

use serde_json::json;

use crate::access::actor::{Actor, Creator, Identity};
use crate::access::authentication::{self, Can, needs};
use crate::access::passwords::PasswordHash;
use crate::access::rate_limit;
use crate::access::sessions::{self, EndReason};
use crate::access::tokens::{self, PersonalTokens};
use crate::accounts::users::{self, LockedUser, UserAction, UserChangeset, UserRow};
use crate::accounts::{email_confirmations, lifecycle, password_reset};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{Notice, notices};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::{SessionId, UserId};

/// The audit action of users who change their own password.
pub const CHANGE_PASSWORD: &str = "user.password.change";

/// Sets an account's password and ends its sessions, except the caller's own, and its personal access tokens.
///
/// # Errors
/// 404; 403 if the caller may not manage the account; 412.
pub fn reset_password(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ResetPasswords>,
    id: UserId,
    password: &PasswordHash,
    tokens: PersonalTokens,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.password.reset";
    tx.wait_for_leases();
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, ACTION, &[UserAction::TakeOver], if_match)?;
    let hash = Some(password.as_str().to_owned());
    let changes = UserChangeset::for_password(hash, Creator::of(caller));
    let kept = Kept {
        session: caller.session_id(),
        tokens,
    };
    replace_password(tx, caller, ACTION, &user.row, &changes, kept)
}

/// Removes an account's password and ends its sessions and personal access tokens.
///
/// # Errors
/// As [`reset_password`], and [`Code::LastSuperAdmin`].
pub fn remove_password(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ResetPasswords>,
    id: UserId,
    tokens: PersonalTokens,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.password.remove";
    tx.wait_for_leases();
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, ACTION, &[UserAction::RemovePassword], if_match)?;
    let changes = UserChangeset::for_password(None, Creator::of(caller));
    let kept = Kept {
        session: caller.session_id(),
        tokens,
    };
    replace_password(tx, caller, ACTION, &user.row, &changes, kept)
}

/// Removes an account's second factor, if it has one, and ends its other sessions (OWASP ASVS 5.0, 7.4.3). After that the
/// password alone is sufficient to sign in.
///
/// # Errors
/// As [`reset_password`].
pub fn remove_second_factor(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ResetPasswords>,
    id: UserId,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.mfa.remove";
    tx.wait_for_leases();
    let user = LockedUser::lock(tx, caller, id)?;
    user.authorize(tx, caller, ACTION, &[UserAction::TakeOver], if_match)?;
    if user.row.mfa_enabled {
        let reason = EndReason::SignedOutByOther;
        sessions::service::end_all_of_user(tx, id, reason, caller.session_id())?;
    }
    let changes = UserChangeset {
        mfa_enabled: Some(false).filter(|_| user.row.mfa_enabled),
        ..UserChangeset::default()
    };
    if user.row.mfa_enabled {
        notices::record(tx, id, Notice::SecondFactorRemoved)?;
    }
    lifecycle::service::update_user(tx, caller, ACTION, &user.row, &changes).map(drop)
}

/// Sets the password that the owner chose and ends every other session. The caller has verified the old password, which
/// must still be the one of `password_version`.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the account or the caller's session has ended, or when the caller has only a change token
/// and the old password was withdrawn; [`Code::AuthCurrentPasswordWrong`] when the password has been changed
/// since it was verified.
pub fn set_own_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: UserId,
    password_version: i64,
    password: &PasswordHash,
) -> TxResult<()> {
    tx.wait_for_leases();
    let row = users::service::find_for_update(tx, id)?
        .filter(|row| row.status().is_usable(tx.now))
        .ok_or(Code::AuthTokenInvalid)?;
    if actor.identity == Identity::Anonymous && row.is_password_withdrawn() {
        return Err(Code::AuthTokenInvalid.into());
    }
    authentication::resolve::current_authority(tx, actor)?;
    if row.password_version != password_version {
        return Err(AppError::current_password_wrong().into());
    }
    let kept = Kept {
        session: actor.session_id(),
        tokens: PersonalTokens::Keep,
    };
    if row.has_password_of_another() {
        // The person who set the old password could sign in with it and create tokens.
        tokens::service::end_all_by_others(tx, id)?;
    }
    let creator = Creator::Owner;
    set_chosen_password(tx, actor, CHANGE_PASSWORD, &row, password, creator, kept)
}

/// Sets the password of the account that a reset link belongs to. Uses up the link and ends every session, and the personal
/// access tokens.
///
/// # Errors
/// [`Code::ResetTokenInvalid`] when the link is invalid or the account cannot be used.
pub fn redeem_reset_link(
    tx: &mut Tx<'_>,
    actor: &Actor,
    token: &str,
    password: &PasswordHash,
    tokens: PersonalTokens,
) -> TxResult<()> {
    tx.wait_for_leases();
    // The creator of the link had the token and possibly used it, so the password counts as set by the creator. A link that was
    // mailed can be used by those who read the mail, and someone else may have set the address.
    let (row, creator) = password_reset::service::lock_account(tx, actor, token)?;
    let creator = match creator {
        Creator::Owner => row.email_creator().unwrap_or(Creator::UNKNOWN),
        other => other,
    };
    let action_name = password_reset::service::REDEEM;
    let kept = Kept {
        session: None,
        tokens,
    };
    set_chosen_password(tx, actor, action_name, &row, password, creator, kept)
}

/// Ends all sessions of an account, and its personal access tokens if requested.
///
/// # Errors
/// 404; 403 if the caller may not manage the account; 412.
pub fn sign_out(
    tx: &mut Tx<'_>,
    caller: &Can<needs::RevokeSessions>,
    id: UserId,
    tokens: PersonalTokens,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "user.signOut";
    tx.wait_for_leases();
    users::service::lock_for_sign_out(tx, caller, id, ACTION, if_match)?;
    let tokens = tokens::service::end_if_requested(tx, id, tokens)?;
    let ended = sessions::service::end_all_of_user(tx, id, EndReason::SignedOutByOther, None)?;
    email_confirmations::pending_address::end_change(tx, id)?;
    let entry = AuditEntry::new(ACTION, Subject::User(id)).with_change(
        json!({"sessions": ended, "tokens": tokens}),
        json!({"sessions": 0, "tokens": 0}),
    );
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Sets a password that the owner chose: it need not be changed at the next sign-in.
fn set_chosen_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    row: &UserRow,
    password: &PasswordHash,
    creator: Creator,
    kept: Kept,
) -> TxResult<()> {
    let hash = Some(password.as_str().to_owned());
    let changes = UserChangeset {
        must_change_password: Some(false),
        ..UserChangeset::for_password(hash, creator)
    };
    replace_password(tx, actor, action_name, row, &changes, kept)
}

/// What stays valid when the password is replaced.
#[derive(Clone, Copy)]
struct Kept {
    session: Option<SessionId>,
    tokens: PersonalTokens,
}

fn replace_password(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    row: &UserRow,
    changes: &UserChangeset,
    kept: Kept,
) -> TxResult<()> {
    users::service::update_password(tx, row.id, changes)?;
    rate_limit::service::reset_failures(tx, row.id)?;
    let tokens = tokens::service::end_if_requested(tx, row.id, kept.tokens)?;
    let reason = EndReason::PasswordChanged;
    let ended = lifecycle::service::end_access(tx, row.id, reason, kept.session)?;
    let has_password = changes.password_hash.as_ref().is_some_and(Option::is_some);
    let entry = AuditEntry::new(action_name, Subject::User(row.id)).with_change(
        json!({"hasPassword": row.password_hash.is_some(), "otherSessions": ended, "tokens": tokens}),
        json!({"hasPassword": has_password, "otherSessions": 0, "tokens": 0}),
    );
    audit::record(tx, actor, entry)?;
    Ok(())
}
