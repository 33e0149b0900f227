//! Creating, showing, revoking and using invites.

use serde_json::{Value, json};

use uuid::Uuid;

use super::input::ValidatedInvite;
use super::model::{Invite, InviteWithToken};
use super::store::{self, InviteKey, InviteRow};
use super::validity::{DEFAULT_LIFETIME, MAX_OPEN_INVITES};
use crate::access::actor::{Actor, Authority, Creator, Identity, Principal};
use crate::access::authentication::row_locks::{self, RowLock};
use crate::access::authentication::{Can, Need, needs, resolve};
use crate::access::rate_limit::account_budget::{self, AccountBudget, RecordBudget};
use crate::accounts::users::{self, AccessGrant};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::config::{LinkTemplate, Registration};
use crate::platform::crypto;
use crate::platform::db::{IdPrefix, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, ErrorCategory, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::{InviteId, UserId};

/// The audit action of creating an invite.
const CREATE: &str = "invite.create";
/// The prefix of every token.
const TOKEN_PREFIX: &str = "rst_inv_";

/// The warning for a new invite while registration is closed.
#[must_use]
pub fn closed_warning(registration: Registration) -> Option<&'static str> {
    let is_closed = registration == Registration::Closed;
    is_closed.then_some(
        "Registration is closed, so the invite cannot be used until ROSTERD_REGISTRATION is set to invite or open.",
    )
}

/// Creates an invite. Its token is not shown again.
///
/// # Errors
/// As for creating an account with this role and these permissions; [`Code::RequestInvalid`] if the expiry is in the past;
/// [`Code::AuthSessionRequired`] for a service client; [`Code::InviteLimitReached`]; [`Code::RateLimited`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageInvites>,
    invite_url: &LinkTemplate,
    draft: &ValidatedInvite,
) -> TxResult<InviteWithToken> {
    charge(tx, caller)?;
    let created_by = creator(caller);
    if let Ok(Some(creator)) = created_by {
        advisory_lock::lock_shared(tx.conn, advisory_lock::Invariant::Authority)?;
        // The exclusive row lock prevents concurrent requests from exceeding the limit.
        users::service::find_for_update(tx, creator)?;
    }
    let grant = check_creation(tx, caller, draft)?;
    let created_by = created_by?;
    if let Some(creator) = created_by
        && store::count_open_of_creator(tx.conn, creator, tx.now)? >= MAX_OPEN_INVITES
    {
        let entry = AuditEntry::new(CREATE, Subject::None);
        return Err(audit::deny(tx, caller, entry, Code::InviteLimitReached));
    }
    let expires_at = draft.expires_at.unwrap_or(tx.now + DEFAULT_LIFETIME);
    if expires_at <= tx.now {
        let detail = "must be in the future";
        return Err(AppError::invalid_field("/expiresAtUtc", "in_the_past", detail).into());
    }
    let token = format!("{TOKEN_PREFIX}{}", crypto::generate_bearer_secret()?);
    let row = InviteRow {
        id: InviteId::new(tx.now),
        digest: crypto::digest(&token).to_vec(),
        created_by,
        role: grant.role,
        permissions: grant.permissions,
        email: draft.email.as_ref().map(|email| email.as_str().to_owned()),
        max_uses: draft.max_uses,
        uses: 0,
        created_at: tx.now,
        expires_at,
        revoked_at: None,
        version: 1,
        created_with_token: match caller.identity {
            Identity::Token { id, .. } => Some(id),
            _ => None,
        },
    };
    store::insert(tx.conn, &row)?;
    let after = json!({
        "role": row.role,
        "permissions": row.permissions,
        "maxUses": row.max_uses,
        "expiresAtUtc": row.expires_at,
        "isBound": row.email.is_some(),
    });
    let entry = AuditEntry::new(CREATE, Subject::Invite(row.id)).with_change(Value::Null, after);
    audit::record(tx, caller, entry)?;
    let invite = find_invite(tx, &InviteKey::Id(row.id))?;
    Ok(InviteWithToken {
        warning: None,
        url: invite_url.url(&token),
        token,
        invite,
    })
}

/// Checks that the caller may create this invite: that it may create an account with the same role and permissions.
///
/// # Errors
/// As for creating such an account; [`Code::RateLimited`].
pub fn authorize_creation(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageInvites>,
    draft: &ValidatedInvite,
) -> TxResult<AccessGrant> {
    charge(tx, caller)?;
    check_creation(tx, caller, draft)
}

fn charge(tx: &mut Tx<'_>, caller: &Actor) -> TxResult<()> {
    match Principal::of(&caller.identity) {
        Some(principal) => {
            account_budget::charge_account(tx, principal.id(), AccountBudget::Invites)
        }
        None => Ok(()),
    }
}

fn check_creation(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageInvites>,
    draft: &ValidatedInvite,
) -> TxResult<AccessGrant> {
    advisory_lock::lock_shared(tx.conn, advisory_lock::Invariant::Authority)?;
    row_locks::lock_caller(tx, caller)?;
    let authority = caller.current_authority(tx)?;
    let entry = || AuditEntry::new(CREATE, Subject::None);
    let (role, permissions) = (&draft.role, &draft.permissions);
    users::service::check_grant_audited(tx, caller, entry, &authority, role, permissions)
}

/// Returns an invite by its id or its token.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, id_or_token: &str) -> Result<Invite, AppError> {
    find_invite(tx, &parse_key(id_or_token))
}

/// Lists invites, newest first, starting after `after`. Returns their total number if `count` is set.
///
/// # Errors
/// Database errors.
pub fn list(
    tx: &mut Tx<'_>,
    after: Option<InviteId>,
    rows: i64,
    count: bool,
) -> Result<(Vec<Invite>, Option<i64>), AppError> {
    let total = count.then(|| store::count(tx.conn)).transpose()?;
    let now = tx.now;
    let invites = store::list(tx.conn, after, rows)?
        .into_iter()
        .map(|(row, username)| Invite::new(row, username, now))
        .collect();
    Ok((invites, total))
}

/// Revokes an invite, which stays in the list. Accounts that were created with it are not affected.
///
/// # Errors
/// [`Code::NotFound`], [`Code::PreconditionFailed`].
pub fn revoke(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageInvites>,
    id_or_token: &str,
    if_match: &IfMatch,
) -> TxResult<()> {
    row_locks::lock_caller(tx, caller)?;
    row_locks::lock_roles_of(tx, Principal::of(&caller.identity))?;
    caller.current_authority(tx)?;
    let row = store::find_for_update(tx.conn, &parse_key(id_or_token))?.ok_or(Code::NotFound)?;
    if_match.check(row.version)?;
    if row.revoked_at.is_none() {
        store::revoke(tx.conn, row.id, tx.now)?;
    } else if let Some(principal) = Principal::of(&caller.identity)
        && !account_budget::is_recorded(tx, principal.id(), RecordBudget::EmptyRevocations)?
    {
        return Ok(());
    }
    let entry = AuditEntry::new("invite.revoke", Subject::Invite(row.id)).with_change(
        json!({"revokedAtUtc": row.revoked_at}),
        json!({"revokedAtUtc": row.revoked_at.unwrap_or(tx.now)}),
    );
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Revokes all invites and returns their number. The caller records the audit entry.
///
/// # Errors
/// Database errors.
pub fn revoke_all(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    Ok(store::revoke_all(tx.conn, tx.now)?)
}

/// What an invite grants to a registration with this email address. The use is not counted.
///
/// # Errors
/// [`Code::InviteInvalid`] if the token is unknown, the invite is revoked or bound to another address, or its creator may no
/// longer grant this; [`Code::InviteExpired`]; [`Code::InviteExhausted`].
pub fn check(tx: &mut Tx<'_>, token: &str, email: Option<&str>) -> Result<AccessGrant, AppError> {
    let (row, _) = store::find(tx.conn, &token_key(token))?.ok_or(Code::InviteInvalid)?;
    check_row(tx, &row, email)
}

/// As [`check`], and counts one use. The row is locked first, so that concurrent uses of a token are checked one at a time.
/// The caller holds the lock on authority; the account of the creator is locked here.
///
/// # Errors
/// As [`check`].
pub fn redeem(
    tx: &mut Tx<'_>,
    token: &str,
    email: Option<&str>,
) -> Result<(InviteId, AccessGrant), AppError> {
    let (found, _) = store::find(tx.conn, &token_key(token))?.ok_or(Code::InviteInvalid)?;
    let creator = found.created_by.map(Principal::User);
    row_locks::lock_principals(tx, creator.map(|creator| (creator, RowLock::Shared)))?;
    let row = store::find_for_update(tx.conn, &token_key(token))?.ok_or(Code::InviteInvalid)?;
    let grant = check_row(tx, &row, email)?;
    store::increment_uses(tx.conn, row.id)?;
    Ok((row.id, grant))
}

/// The number of invites that have not expired, been used up or been revoked.
///
/// # Errors
/// Database errors.
pub fn count_usable(tx: &mut Tx<'_>) -> Result<i64, AppError> {
    Ok(store::count_usable(tx.conn, tx.now)?)
}

/// Deletes the invites that are bound to the email address of a purged account.
///
/// # Errors
/// Database errors.
pub fn delete_for_email(tx: &mut Tx<'_>, email: &str) -> Result<(), AppError> {
    store::delete_for_email(tx.conn, email)?;
    Ok(())
}

/// Deletes invites 90 days after their expiry and returns their number.
///
/// # Errors
/// Database errors.
pub fn delete_expired(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let limit = tx.now - chrono::TimeDelta::days(90);
    Ok(store::delete_expired(tx.conn, limit)?)
}

/// The account whose authority an invite depends on; `None` for the operator.
fn creator(actor: &Actor) -> Result<Option<UserId>, AppError> {
    match actor.identity {
        Identity::User { id, .. } | Identity::Token { owner: id, .. } => Ok(Some(id)),
        Identity::Operator { .. } | Identity::System => Ok(None),
        Identity::Client { .. } | Identity::Anonymous => Err(Code::AuthSessionRequired.into()),
    }
}

fn check_row(
    tx: &mut Tx<'_>,
    row: &InviteRow,
    email: Option<&str>,
) -> Result<AccessGrant, AppError> {
    row.conditions().check(email, tx.now)?;
    let authority = creator_authority(tx, row)?.ok_or(Code::InviteInvalid)?;
    users::service::check_grant(tx, &authority, &row.role, &row.permissions).map_err(|error| {
        match error.code().category() {
            ErrorCategory::Forbidden | ErrorCategory::Invalid => Code::InviteInvalid.into(),
            _ => error,
        }
    })
}

/// The current authority of the creator of an invite, or of the personal access token that created it; `None` if it may no
/// longer manage invites.
fn creator_authority(tx: &mut Tx<'_>, row: &InviteRow) -> Result<Option<Authority>, AppError> {
    let creator = match (row.created_by, row.created_with_token) {
        (None, _) => Creator::Operator,
        (Some(user), None) => Creator::User(user),
        (Some(_), Some(token)) => Creator::Token(token),
    };
    let authority = resolve::creator_authority(tx, creator)?.map(|(_, authority)| authority);
    Ok(authority.filter(|authority| authority.permissions.has(needs::ManageInvites::PERMISSION)))
}

fn find_invite(tx: &mut Tx<'_>, key: &InviteKey) -> Result<Invite, AppError> {
    let (row, username) = store::find(tx.conn, key)?.ok_or(Code::NotFound)?;
    Ok(Invite::new(row, username, tx.now))
}

/// Distinguishes tokens from ids by the token prefix.
fn parse_key(id_or_token: &str) -> InviteKey {
    if id_or_token.starts_with(TOKEN_PREFIX) {
        token_key(id_or_token)
    } else {
        InviteKey::Id(InviteId::from_path(id_or_token))
    }
}

/// For registration, which must accept tokens only: ids are not secret.
fn token_key(token: &str) -> InviteKey {
    InviteKey::Digest(crypto::digest(token).to_vec())
}

/// At most two ids of invites that begin with this prefix.
///
/// # Errors
/// Database errors.
pub fn find_ids(tx: &mut Tx<'_>, prefix: IdPrefix) -> Result<Vec<Uuid>, AppError> {
    Ok(store::find_ids(tx.conn, prefix)?)
}
