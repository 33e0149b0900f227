//! Making, showing, revoking and using invites.

use serde_json::{Value, json};

use super::input::Draft;
use super::model::{Invite, InviteWithToken};
use super::policy::LIFETIME;
use super::store::{self, InviteRow, Key};
use crate::access::authentication::{Actor, Authority, Can, Identity, Need, needs};
use crate::accounts::users::{self, AccessGrant};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::config::TokenPage;
use crate::platform::crypto;
use crate::platform::db::{Tx, advisory_lock};
use crate::platform::error::{AppError, Code, Kind, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::{InviteId, UserId};

/// What every token begins with.
const PREFIX: &str = "rst_inv_";

/// Makes an invite. Its token is answered here and nowhere else.
///
/// # Errors
/// As for making an account of this role with these grants; [`Code::RequestInvalid`] for an end that has passed;
/// [`Code::AuthSessionRequired`] for a service client.
pub fn create(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageInvites>,
    page: &TokenPage,
    draft: &Draft,
) -> TxResult<InviteWithToken> {
    const ACT: &str = "invite.create";
    advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
    let authority = by.renew(tx)?;
    let expires_at = draft.expires_at.unwrap_or(tx.now + LIFETIME);
    if expires_at <= tx.now {
        let detail = "this time has passed";
        return Err(AppError::fault("/expiresAtUtc", "in_the_past", detail).into());
    }
    let act = || AuditEntry::new(ACT, Subject::Nothing);
    let gift =
        users::service::record_gift(tx, by, act, &authority, &draft.role, &draft.permissions)?;
    let token = format!("{PREFIX}{}", crypto::bearer_secret()?);
    let row = InviteRow {
        id: InviteId::new(tx.now),
        digest: crypto::digest(&token).to_vec(),
        made_by: maker(by)?,
        role: gift.role,
        permissions: gift.permissions,
        email: draft.email.as_ref().map(|email| email.as_str().to_owned()),
        max_uses: draft.max_uses,
        uses: 0,
        created_at: tx.now,
        expires_at,
        revoked_at: None,
        version: 1,
    };
    store::insert(tx.conn, &row)?;
    let after = json!({
        "role": row.role,
        "permissions": row.permissions,
        "maxUses": row.max_uses,
        "expiresAtUtc": row.expires_at,
        "isBound": row.email.is_some(),
    });
    audit::record(
        tx,
        by,
        AuditEntry::new(ACT, Subject::Invite(row.id)).changing(Value::Null, after),
    )?;
    let invite = show_by(tx, &Key::Id(row.id))?;
    Ok(InviteWithToken {
        url: page.url(&token),
        token,
        invite,
    })
}

/// An invite, by its id or its token.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, id_or_token: &str) -> Result<Invite, AppError> {
    show_by(tx, &key(id_or_token))
}

/// The newest invites below `after`, and how many there are in all if that is asked.
///
/// # Errors
/// When the database fails.
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

/// Ends an invite; it stays in the list. The accounts that were made with it stay as they are.
///
/// # Errors
/// [`Code::NotFound`], [`Code::PreconditionFailed`].
pub fn revoke(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageInvites>,
    id_or_token: &str,
    expected: &IfMatch,
) -> TxResult<()> {
    advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
    by.renew(tx)?;
    let row = store::hold(tx.conn, &key(id_or_token))?.ok_or(Code::NotFound)?;
    expected.check(row.version)?;
    if row.revoked_at.is_none() {
        store::revoke(tx.conn, row.id, tx.now)?;
    }
    let act = AuditEntry::new("invite.revoke", Subject::Invite(row.id)).changing(
        json!({"revokedAtUtc": row.revoked_at}),
        json!({"revokedAtUtc": row.revoked_at.unwrap_or(tx.now)}),
    );
    audit::record(tx, by, act)?;
    Ok(())
}

/// What an invite gives to whoever registers with this address now. Nothing is used up.
///
/// # Errors
/// [`Code::InviteInvalid`] for a token that is none, is revoked or is for another address, and when whoever made the
/// invite may not give any more what it gives; [`Code::InviteExpired`]; [`Code::InviteExhausted`].
pub fn examine(tx: &mut Tx<'_>, token: &str, email: Option<&str>) -> Result<AccessGrant, AppError> {
    let (row, _) = store::find(tx.conn, &key_of_token(token))?.ok_or(Code::InviteInvalid)?;
    admit(tx, &row, email)
}

/// [`examine`], and the use is counted. Of many who bring one token at once, each is judged after the one before is done.
/// The caller has taken the lock on authority.
///
/// # Errors
/// As [`examine`].
pub fn accept(
    tx: &mut Tx<'_>,
    token: &str,
    email: Option<&str>,
) -> Result<(InviteId, AccessGrant), AppError> {
    let row = store::hold(tx.conn, &key_of_token(token))?.ok_or(Code::InviteInvalid)?;
    let gift = admit(tx, &row, email)?;
    store::use_once(tx.conn, row.id)?;
    Ok((row.id, gift))
}

/// Removes the invites that are bound to this address, which is about to be forgotten.
///
/// # Errors
/// When the database fails.
pub fn forget_address(tx: &mut Tx<'_>, email: &str) -> Result<(), AppError> {
    store::remove_bound_to(tx.conn, email)?;
    Ok(())
}

/// Forgets the invites that ended three months ago.
///
/// # Errors
/// When the database fails.
pub fn forget_old(tx: &mut Tx<'_>) -> Result<usize, AppError> {
    let limit = tx.now - chrono::TimeDelta::days(90);
    Ok(store::forget_before(tx.conn, limit)?)
}

/// The account whose right an invite rests on; `None`: the operator's.
fn maker(by: &Actor) -> Result<Option<UserId>, AppError> {
    match by.identity {
        Identity::User { id, .. } | Identity::Token { owner: id, .. } => Ok(Some(id)),
        Identity::Operator { .. } | Identity::System => Ok(None),
        Identity::Client { .. } | Identity::Anonymous => Err(Code::AuthSessionRequired.into()),
    }
}

fn admit(tx: &mut Tx<'_>, row: &InviteRow, email: Option<&str>) -> Result<AccessGrant, AppError> {
    row.facts().admits(email, tx.now)?;
    let giver = giver(tx, row)?.ok_or(Code::InviteInvalid)?;
    users::service::gift(tx, &giver, &row.role, &row.permissions).map_err(|why| {
        match why.code().kind() {
            Kind::Forbidden | Kind::Invalid => Code::InviteInvalid.into(),
            _ => why,
        }
    })
}

/// The authority that an invite is given on, as it is now; `None` when its maker can make none any more.
fn giver(tx: &mut Tx<'_>, row: &InviteRow) -> Result<Option<Authority>, AppError> {
    let Some(maker) = row.made_by else {
        return Ok(Some(Authority::system()));
    };
    let authority = users::service::authority_of_usable_user(tx, maker)?;
    Ok(authority.filter(|authority| authority.permissions.has(needs::ManageInvites::PERMISSION)))
}

fn show_by(tx: &mut Tx<'_>, key: &Key) -> Result<Invite, AppError> {
    let (row, username) = store::find(tx.conn, key)?.ok_or(Code::NotFound)?;
    Ok(Invite::new(row, username, tx.now))
}

/// A token has its prefix, which no id has.
fn key(id_or_token: &str) -> Key {
    if id_or_token.starts_with(PREFIX) {
        key_of_token(id_or_token)
    } else {
        Key::Id(InviteId::from_path(id_or_token))
    }
}

/// Only by its digest: an id is no secret, and admits nobody.
fn key_of_token(token: &str) -> Key {
    Key::Digest(crypto::digest(token).to_vec())
}
