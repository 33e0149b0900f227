//! Making, showing, changing and ending service clients.

use serde_json::{Map, Value, json};

use super::input::{Change, Draft};
use super::model::{Client, ClientWithSecret};
use super::policy::{self, Deed, Manager, Target};
use super::store::{self, Changes, ClientRow};
use crate::access::authentication::{Authority, Can, needs};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry, Subject};
use crate::idempotency;
use crate::platform::crypto::{self, TokenKind};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::ClientId;

pub use super::credentials_grant::{
    AuthenticatedClient, Granted, end_all_grants, forget_old, give_back, grant, recognize,
    turn_away,
};
pub use super::input::{ClientPatch, NewClient};

/// Makes a client. Its secret is answered here and nowhere else.
///
/// # Errors
/// [`Code::PermissionUnknown`]; the refusals of the rules; [`Code::ClientNameConflict`].
pub fn create(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageClients>,
    draft: &Draft,
) -> TxResult<ClientWithSecret> {
    const ACT: &str = "client.create";
    advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
    let authority = by.renew(tx)?;
    let permissions = roles::service::grantable(tx, &draft.permissions)?;
    if let Err(denied) = policy::may_make(&authority, draft.rank, &permissions) {
        return Err(audit::refuse(
            tx,
            by,
            AuditEntry::new(ACT, Subject::Nothing),
            denied,
        ));
    }
    let secret = TokenKind::ClientSecret.make()?;
    let row = ClientRow {
        id: ClientId::new(tx.now),
        name: draft.name.as_str().to_owned(),
        digest: crypto::digest(&secret).to_vec(),
        permissions,
        rank: draft.rank,
        is_active: true,
        version: 1,
        created_at: tx.now,
        updated_at: tx.now,
        secret_made_at: tx.now,
        last_used_at: None,
    };
    unless_taken(store::insert(tx.conn, &row))?;
    let act =
        AuditEntry::new(ACT, Subject::Client(row.id)).changing(Value::Null, whole(&row).into());
    audit::record(tx, by, act)?;
    Ok(ClientWithSecret {
        client_secret: secret,
        client: row.into(),
    })
}

/// The newest clients below `after`, and how many there are in all if that is asked.
///
/// # Errors
/// When the database fails.
pub fn list(
    tx: &mut Tx<'_>,
    after: Option<ClientId>,
    rows: i64,
    count: bool,
) -> Result<(Vec<Client>, Option<i64>), AppError> {
    let total = count.then(|| store::count(tx.conn)).transpose()?;
    let clients = store::list(tx.conn, after, rows)?;
    Ok((clients.into_iter().map(Client::from).collect(), total))
}

/// A client.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, id: ClientId) -> Result<Client, AppError> {
    let row = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// The client of this id or name.
///
/// # Errors
/// [`Code::NotFound`].
pub fn named(tx: &mut Tx<'_>, name: &str) -> Result<Client, AppError> {
    let found = match name.parse() {
        Ok(id) => store::find(tx.conn, id)?,
        Err(_) => store::by_name(tx.conn, name.trim())?,
    };
    Ok(found.ok_or(Code::NotFound)?.into())
}

/// Changes a client; one that is switched off loses its access tokens for good.
///
/// # Errors
/// [`Code::PermissionUnknown`]; [`Code::NotFound`]; the refusals of the rules; [`Code::PreconditionFailed`];
/// [`Code::ClientNameConflict`].
pub fn change(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageClients>,
    id: ClientId,
    change: &Change,
    expected: &IfMatch,
) -> TxResult<Client> {
    let authority = current_authority(tx, by)?;
    let permissions = change
        .permissions()
        .map(|wanted| roles::service::grantable(tx, wanted))
        .transpose()?;
    let row = store::hold(tx.conn, id)?.ok_or(Code::NotFound)?;
    let changes = change.of(&row, permissions);
    permit(
        tx,
        by,
        authority,
        &row,
        "client.update",
        &deeds_of(&row, &changes),
    )?;
    expected.check(row.version)?;
    if changes != Changes::default() {
        tx.invalidate(Invalidation::Principal(id.0));
        unless_taken(store::update(tx.conn, id, tx.now, &changes))?;
        if changes.is_active == Some(false) {
            store::remove_grants(tx.conn, id)?;
        }
    }
    let after = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    audit::record(tx, by, story("client.update", &row, &after))?;
    Ok(after.into())
}

/// Gives a client another secret. The old one, and the access tokens that were had with it, are dead at once.
///
/// # Errors
/// [`Code::NotFound`]; the refusals of the rules; [`Code::PreconditionFailed`].
pub fn rotate_secret(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageClients>,
    id: ClientId,
    expected: &IfMatch,
) -> TxResult<ClientWithSecret> {
    const ACT: &str = "client.rotateSecret";
    let authority = current_authority(tx, by)?;
    let row = store::hold(tx.conn, id)?.ok_or(Code::NotFound)?;
    permit(tx, by, authority, &row, ACT, &[Deed::TakeOver])?;
    expected.check(row.version)?;
    let secret = TokenKind::ClientSecret.make()?;
    tx.invalidate(Invalidation::Principal(id.0));
    store::set_secret(tx.conn, id, tx.now, &crypto::digest(&secret))?;
    store::remove_grants(tx.conn, id)?;
    idempotency::service::forget_of(tx, id.0)?;
    audit::record(tx, by, AuditEntry::new(ACT, Subject::Client(id)))?;
    Ok(ClientWithSecret {
        client_secret: secret,
        client: show(tx, id)?,
    })
}

/// Deletes a client with all that it has.
///
/// # Errors
/// [`Code::NotFound`]; the refusals of the rules; [`Code::PreconditionFailed`].
pub fn delete(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageClients>,
    id: ClientId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "client.delete";
    let authority = current_authority(tx, by)?;
    let row = store::hold(tx.conn, id)?.ok_or(Code::NotFound)?;
    permit(tx, by, authority, &row, ACT, &[Deed::Manage])?;
    expected.check(row.version)?;
    tx.invalidate(Invalidation::Principal(id.0));
    store::remove(tx.conn, id)?;
    idempotency::service::forget_of(tx, id.0)?;
    let act = AuditEntry::new(ACT, Subject::Client(id)).changing(whole(&row).into(), Value::Null);
    audit::record(tx, by, act)?;
    Ok(())
}

/// How many clients have this permission.
///
/// # Errors
/// When the database fails.
pub fn count_of_permission(tx: &mut Tx<'_>, name: &str) -> Result<i64, AppError> {
    Ok(store::count_of_permission(tx.conn, name)?)
}

/// Takes the lock for a change of what clients may, then reads the caller's authority.
fn current_authority(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageClients>,
) -> Result<Authority, AppError> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::Authority)?;
    by.renew(tx)
}

fn permit(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageClients>,
    authority: Authority,
    row: &ClientRow,
    act: &'static str,
    deeds: &[Deed],
) -> TxResult<()> {
    let target = Target {
        id: row.id,
        rank: row.rank,
        permissions: &row.permissions,
    };
    policy::may(&Manager::new(by, authority), &target, deeds).map_err(|denied| {
        audit::refuse(
            tx,
            by,
            AuditEntry::new(act, Subject::Client(row.id)),
            denied,
        )
    })
}

fn deeds_of(row: &ClientRow, changes: &Changes) -> Vec<Deed> {
    let mut deeds = vec![Deed::Manage];
    deeds.extend(changes.rank.map(Deed::SetRank));
    if let Some(permissions) = &changes.permissions {
        let is_new = |name: &&String| !row.permissions.contains(name);
        deeds.push(Deed::Grant(
            permissions.iter().filter(is_new).cloned().collect(),
        ));
    }
    deeds
}

/// What differs between the two.
fn story(act: &'static str, before: &ClientRow, after: &ClientRow) -> AuditEntry {
    let (mut old, mut new) = (whole(before), whole(after));
    old.retain(|name, value| new.get(name) != Some(value));
    new.retain(|name, _| old.contains_key(name));
    AuditEntry::new(act, Subject::Client(before.id)).changing(old.into(), new.into())
}

/// All that a caller chose about a client.
fn whole(row: &ClientRow) -> Map<String, Value> {
    let members = [
        ("name", json!(row.name)),
        ("permissions", json!(row.permissions)),
        ("rank", json!(row.rank)),
        ("isActive", json!(row.is_active)),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn unless_taken(done: impl OnConstraint<usize>) -> Result<usize, AppError> {
    done.on_constraint("service_clients_name_key", Code::ClientNameConflict)
}
