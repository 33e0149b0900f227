//! Ending the access to one account, or to all accounts.

use serde::Serialize;
use serde_json::Value;

use crate::access::actor::{Actor, Creator, Identity};
use crate::access::clients;
use crate::access::sessions::{self, EndReason};
use crate::access::tokens;
use crate::accounts::email_confirmations::service::ConfirmedAddress;
use crate::accounts::users::{self, RoleReassignment, User, UserChangeset, UserRow};
use crate::accounts::{email_confirmations, invites, password_reset};
use crate::audit::{self, AuditEntry, Subject};
use crate::mail::{self, notices};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::{SessionId, UserId};

/// Ends all sessions of an account except `keep` and returns their number. Ends its reset link too and, if the account
/// itself can no longer be used, its personal access tokens.
///
/// # Errors
/// Database errors.
pub fn end_access(
    tx: &mut Tx<'_>,
    id: UserId,
    reason: EndReason,
    keep: Option<SessionId>,
) -> Result<usize, AppError> {
    password_reset::service::delete_link(tx, id)?;
    email_confirmations::pending_address::end_change(tx, id)?;
    if reason.ends_account() {
        tokens::service::end_all_of_user(tx, id)?;
    }
    sessions::service::end_all_of_user(tx, id, reason, keep)
}

/// Writes the changes with an audit entry. A new email address ends the reset link, which was possibly sent to the old one, and
/// the wait for another address; a confirmed old address is told. More authority ends the credentials that others created, see
/// `end_credentials_of_others`.
///
/// # Errors
/// 409 when the username or the email address is taken.
pub fn update_user(
    tx: &mut Tx<'_>,
    actor: &Actor,
    action_name: &'static str,
    row: &UserRow,
    changes: &UserChangeset,
) -> TxResult<User> {
    if changes.email.is_some() {
        password_reset::service::delete_link(tx, row.id)?;
        email_confirmations::pending_address::delete(tx, row.id)?;
        if let Some(email) = row.email.as_ref().filter(|_| row.email_confirmed) {
            notices::record_email_changed(tx, row.id, email)?;
        }
    }
    let mut changes = changes
        .clone()
        .with_email_creator(email_creator(actor, row, changes));
    if users::service::raises_authority(tx, row, &changes)? {
        changes = end_credentials_of_others(tx, row, changes)?;
    }
    users::service::update(tx, actor, action_name, row, &changes)
}

/// Who sets an email address or confirms it. A session of the account counts as that of the creator of its password. An anonymous
/// caller uses the link that was sent to the address.
fn email_creator(actor: &Actor, row: &UserRow, changes: &UserChangeset) -> Creator {
    // The link shows that the caller reads mail to the address, not that the address is the owner's.
    if actor.identity == Identity::Anonymous
        && changes.email.is_none()
        && let Some(creator) = row.email_creator()
    {
        return creator;
    }
    let is_owner = actor.user_id() == Some(row.id) || actor.identity == Identity::Anonymous;
    match row.password_creator() {
        Some(Creator::Withdrawn) if is_owner => Creator::UNKNOWN,
        Some(creator) if is_owner && row.has_password_of_another() => creator,
        _ if is_owner => Creator::Owner,
        _ => Creator::of(actor),
    }
}

/// Ends what lets someone other than the owner sign in to an account that gets more authority: its reset link, its change
/// tokens, and the personal access tokens that others created. If someone else set the password, and the account gets another
/// role or that person may not take it over any more, the sessions and all tokens end too, and the account must set a new
/// password. An email address that was set by someone who may not take over the account any more is removed, confirmed or not,
/// because an address that is confirmed later receives reset links. Returns the changes to write.
fn end_credentials_of_others(
    tx: &mut Tx<'_>,
    row: &UserRow,
    mut changes: UserChangeset,
) -> Result<UserChangeset, AppError> {
    let promoted = row.with_authority_of(&changes);
    let sets_email = changes.email.is_some() || changes.email_confirmed == Some(true);
    if let Some(email) = &row.email
        && !sets_email
        && !users::service::may_set_password(tx, row.email_creator(), &promoted)?
    {
        changes.email = Some(None);
        if row.email_confirmed {
            changes.email_confirmed = Some(false);
            notices::record_email_changed(tx, row.id, email)?;
        }
    }
    password_reset::service::delete_link(tx, row.id)?;
    email_confirmations::pending_address::end_change(tx, row.id)?;
    users::service::end_change_tokens(tx, row.id)?;
    let may_set_password = users::service::may_set_password(tx, row.password_creator(), &promoted)?;
    if row.has_password_of_another() && (promoted.role != row.role || !may_set_password) {
        if !may_set_password && !row.is_password_withdrawn() {
            changes = changes.with_password_withdrawn();
        }
        sessions::service::end_all_of_user(tx, row.id, EndReason::SignedOutByOther, None)?;
        tokens::service::end_all_of_user(tx, row.id)?;
        changes.must_change_password = Some(true).filter(|_| !row.must_change_password);
    } else {
        tokens::service::end_all_by_others(tx, row.id)?;
    }
    Ok(changes)
}

/// `end_credentials_of_others` for all accounts that have a role, because the role got more authority over accounts.
///
/// # Errors
/// Database errors.
pub fn end_credentials_of_others_in_role(
    tx: &mut Tx<'_>,
    actor: &Actor,
    role: &str,
) -> TxResult<()> {
    for row in users::service::lock_all_of_role(tx, role)? {
        let changes = end_credentials_of_others(tx, &row, UserChangeset::default())?;
        if changes != UserChangeset::default() {
            users::service::update(tx, actor, "user.update", &row, &changes)?;
        }
    }
    Ok(())
}

/// Ends the reset links of all accounts that have a role, and their personal access tokens that others created, because the
/// role got a permission of an application. Their passwords stay: otherwise every new permission of a role would sign out
/// the accounts that have it.
///
/// # Errors
/// Database errors.
pub fn end_links_and_tokens_of_others_in_role(tx: &mut Tx<'_>, role: &str) -> Result<(), AppError> {
    password_reset::service::delete_links_of_role(tx, role)?;
    tokens::service::end_all_by_others_of_role(tx, role)
}

/// Moves accounts to another role and records each move in the audit log.
///
/// # Errors
/// Database errors.
pub fn apply_role_reassignment(
    tx: &mut Tx<'_>,
    actor: &Actor,
    reassignment: &RoleReassignment,
) -> TxResult<()> {
    for row in &reassignment.rows {
        let changes = UserChangeset {
            role: Some(reassignment.to.name.clone()),
            ..UserChangeset::default()
        };
        let changes = if reassignment.raises_authority_of(row) {
            end_credentials_of_others(tx, row, changes)?
        } else {
            changes
        };
        users::service::update(tx, actor, "user.update", row, &changes)?;
    }
    Ok(())
}

/// Confirms the address that a token was sent to.
///
/// # Errors
/// [`Code::ConfirmationTokenInvalid`], also if another account got the address in the meantime.
pub fn confirm_email(tx: &mut Tx<'_>, actor: &Actor, token: &str) -> TxResult<()> {
    let ConfirmedAddress { user, changes } =
        email_confirmations::service::redeem(tx, actor, token)?;
    let action = email_confirmations::service::REDEEM;
    update_user(tx, actor, action, &user, &changes).map_err(|abort| match abort {
        TxAbort::RollBack(error) if error.code() == Code::UserEmailConflict => {
            Code::ConfirmationTokenInvalid.into()
        }
        other => other,
    })?;
    Ok(())
}

/// Which credentials [`revoke_all`] ends, beside everything that was derived from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedCredentials {
    /// None.
    None,
    /// Personal access tokens.
    PersonalTokens,
    /// Personal access tokens, passwords, and the secrets of service clients.
    All,
}

/// How many credentials [`revoke_all`] ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokedCounts {
    /// Sessions.
    pub sessions: usize,
    /// Personal access tokens.
    pub tokens: usize,
    /// Access token grants of service clients.
    pub grants: usize,
    /// Links for resetting a password or confirming an email address.
    pub links: usize,
    /// Invites.
    pub invites: usize,
    /// Passwords.
    pub passwords: usize,
    /// Secrets of service clients.
    pub client_secrets: usize,
}

/// Ends every session, client grant, link and invite of all accounts and clients, deletes the mail that was not sent, and
/// ends these credentials. Only the operator may do this.
///
/// # Errors
/// Database errors.
pub fn revoke_all(
    tx: &mut Tx<'_>,
    operator: &Actor,
    credentials: RevokedCredentials,
) -> TxResult<RevokedCounts> {
    tx.wait_for_leases();
    tx.invalidate(Invalidation::All);
    // Unsent mail contains links.
    mail::service::delete_all(tx)?;
    let mut revoked = RevokedCounts {
        sessions: sessions::service::end_all(tx, EndReason::SignedOutByOther)?,
        tokens: 0,
        grants: clients::service::end_all_grants(tx)?,
        links: password_reset::service::delete_all_links(tx)?
            + email_confirmations::service::delete_all(tx)?,
        invites: invites::service::revoke_all(tx)?,
        passwords: 0,
        client_secrets: 0,
    };
    if credentials != RevokedCredentials::None {
        revoked.tokens = tokens::service::end_all(tx)?;
    }
    if credentials == RevokedCredentials::All {
        revoked.passwords = users::service::remove_all_passwords(tx)?;
        revoked.client_secrets = clients::service::invalidate_all_secrets(tx)?;
    }
    let counts = serde_json::to_value(revoked).map_err(AppError::internal)?;
    let entry = AuditEntry::new("access.reset", Subject::None).with_change(counts, Value::Null);
    audit::record(tx, operator, entry)?;
    Ok(revoked)
}
