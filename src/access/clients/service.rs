//! Creating, showing, changing and deleting service clients.

use serde_json::{Map, Value, json};

use uuid::Uuid;

use super::input::{ValidatedClient, ValidatedClientChange};
use super::model::{Client, ClientWithSecret};
use super::policy::{self, ClientAction, ClientPolicyCaller, ManagedClient};
use super::secret_holder::{self, SecretHolder};
use super::store::{self, ClientChangeset, ClientRow, ClientSecretChangeset};
use crate::access::actor::{Authority, PermissionSet, Principal};
use crate::access::authentication::row_locks::{self, RowLock};
use crate::access::authentication::{Can, needs};
use crate::accounts::roles;
use crate::audit::{self, AuditEntry, FieldDiff, Subject};
use crate::idempotency;
use crate::platform::crypto::{self, TokenKind};
use crate::platform::db::{IdPrefix, Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::ClientId;

pub use super::credentials_grant::{
    AuthenticatedClient, IssuedClientToken, authenticate, delete_expired, deny_authentication,
    end_all_grants, invalidate_all_secrets, issue_access_token, revoke_grant,
};
pub use super::input::{ClientPatch, NewClient};

/// The audit action of creating a client.
const CREATE: &str = "client.create";
/// The maximum number of clients that one user or client creates. The operator is not limited.
const MAX_CLIENTS_PER_CREATOR: i64 = 200;

/// Creates a client. Its secret is returned here only.
///
/// # Errors
/// [`Code::PermissionUnknown`]; 403 if the caller may not manage the client; [`Code::ClientNameConflict`];
/// [`Code::ClientLimitReached`].
pub fn create(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    draft: &ValidatedClient,
) -> TxResult<ClientWithSecret> {
    let permissions = authorize_creation(tx, caller, draft)?;
    let created_by = Principal::of(&caller.identity).map(Principal::id);
    if let Some(creator) = created_by {
        advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::ClientsPerCreator)?;
        if store::count_created_by(tx.conn, creator)? >= MAX_CLIENTS_PER_CREATOR {
            let entry = AuditEntry::new(CREATE, Subject::None);
            return Err(audit::deny(tx, caller, entry, Code::ClientLimitReached));
        }
    }
    let secret = TokenKind::ClientSecret.generate()?;
    let holder = SecretHolder::of(tx, caller)?;
    let row = ClientRow {
        id: ClientId::new(tx.now),
        name: draft.name.as_str().to_owned(),
        secret_digest: crypto::digest(&secret).to_vec(),
        permissions,
        rank: draft.rank,
        is_active: true,
        version: 1,
        created_at: tx.now,
        updated_at: tx.now,
        secret_created_at: tx.now,
        last_used_at: None,
        created_by,
        secret_known_to: holder.id,
        secret_known_to_kind: holder.kind.to_owned(),
        secret_holder_version: holder.version,
    };
    map_name_conflict(store::insert(tx.conn, &row))?;
    let entry = AuditEntry::new(CREATE, Subject::Client(row.id))
        .with_change(Value::Null, fields(&row).into());
    audit::record(tx, caller, entry)?;
    Ok(ClientWithSecret {
        client_secret: secret,
        client: row.into(),
    })
}

/// Checks that the caller may create this client, and returns its permissions.
///
/// # Errors
/// [`Code::PermissionUnknown`]; 403 if the caller may not manage the client.
pub fn authorize_creation(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    draft: &ValidatedClient,
) -> TxResult<Vec<String>> {
    advisory_lock::lock_shared(tx.conn, advisory_lock::Invariant::Authority)?;
    row_locks::lock_caller(tx, caller)?;
    let authority = caller.current_authority(tx)?;
    let permissions = roles::service::resolve_permissions(tx, &draft.permissions)?;
    match policy::check_creation(&authority, draft.rank, &permissions) {
        Ok(()) => Ok(permissions),
        Err(denied) => {
            let entry = AuditEntry::new(CREATE, Subject::None);
            Err(audit::deny(tx, caller, entry, denied))
        }
    }
}

/// At most `limit` clients after `after`, the newest first, and their total number if `count` is set.
///
/// # Errors
/// Database errors.
pub fn list(
    tx: &mut Tx<'_>,
    after: Option<ClientId>,
    limit: i64,
    count: bool,
) -> Result<(Vec<Client>, Option<i64>), AppError> {
    let total = count.then(|| store::count(tx.conn)).transpose()?;
    let clients = store::list(tx.conn, after, limit)?;
    Ok((clients.into_iter().map(Client::from).collect(), total))
}

/// The client with this id.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, id: ClientId) -> Result<Client, AppError> {
    let row = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// The client with this id or name.
///
/// # Errors
/// [`Code::NotFound`].
pub fn find_by_id_or_name(tx: &mut Tx<'_>, name: &str) -> Result<Client, AppError> {
    let found = match name.parse() {
        Ok(id) => store::find(tx.conn, id)?,
        Err(_) => store::find_by_name(tx.conn, name.trim())?,
    };
    Ok(found.ok_or(Code::NotFound)?.into())
}

/// Changes a client. Disabling it ends its access tokens permanently. It gets more authority only from the operator and from
/// the caller that its secret was shown to.
///
/// # Errors
/// [`Code::PermissionUnknown`]; [`Code::NotFound`]; 403 if the caller may not manage the client; [`Code::PreconditionFailed`];
/// [`Code::ClientNameConflict`]; [`Code::ClientSecretKnown`].
pub fn update(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    id: ClientId,
    change: &ValidatedClientChange,
    if_match: &IfMatch,
) -> TxResult<Client> {
    tx.wait_for_leases();
    if change.can_raise_authority() {
        // The permissions must stay in the catalogue, and checks of other accounts read the authority of clients.
        advisory_lock::lock_exclusive(tx.conn, advisory_lock::Invariant::Authority)?;
    }
    let (authority, row) = lock_rows(tx, caller, id)?;
    let permissions = change
        .permissions()
        .map(|names| roles::service::resolve_permissions(tx, names))
        .transpose()?;
    let row = row.ok_or(Code::NotFound)?;
    let changes = change.changeset_for(&row, permissions);
    authorize(
        tx,
        caller,
        authority,
        &row,
        "client.update",
        &actions_of(&row, &changes),
    )?;
    if_match.check(row.version)?;
    if raises_authority(&row, &changes) && !secret_holder::may_raise(tx, caller, &row)? {
        let entry = AuditEntry::new("client.update", Subject::Client(id));
        return Err(audit::deny(tx, caller, entry, Code::ClientSecretKnown));
    }
    if changes != ClientChangeset::default() {
        tx.invalidate(Invalidation::Principal(id.0));
        map_name_conflict(store::update(tx.conn, id, tx.now, &changes))?;
        if changes.is_active == Some(false) {
            store::delete_grants_of_client(tx.conn, id)?;
        }
    }
    let after = store::find(tx.conn, id)?.ok_or(Code::NotFound)?;
    audit::record(tx, caller, update_entry("client.update", &row, &after))?;
    Ok(after.into())
}

/// Replaces the secret of a client. The old secret and the access tokens issued with it end at once.
///
/// # Errors
/// [`Code::NotFound`]; 403 if the caller may not manage the client; [`Code::PreconditionFailed`].
pub fn rotate_secret(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    id: ClientId,
    if_match: &IfMatch,
) -> TxResult<ClientWithSecret> {
    const ACTION: &str = "client.rotateSecret";
    tx.wait_for_leases();
    let (authority, row) = lock_rows(tx, caller, id)?;
    let row = row.ok_or(Code::NotFound)?;
    authorize(
        tx,
        caller,
        authority,
        &row,
        ACTION,
        &[ClientAction::TakeOver],
    )?;
    if_match.check(row.version)?;
    let secret = TokenKind::ClientSecret.generate()?;
    tx.invalidate(Invalidation::Principal(id.0));
    let holder = SecretHolder::of(tx, caller)?;
    let changes = ClientSecretChangeset {
        secret_digest: crypto::digest(&secret).to_vec(),
        secret_created_at: tx.now,
        secret_known_to: holder.id,
        secret_known_to_kind: holder.kind.to_owned(),
        secret_holder_version: holder.version,
    };
    store::set_secret(tx.conn, id, &changes)?;
    store::delete_grants_of_client(tx.conn, id)?;
    idempotency::service::delete_reply_for(tx, id.0)?;
    audit::record(tx, caller, AuditEntry::new(ACTION, Subject::Client(id)))?;
    Ok(ClientWithSecret {
        client_secret: secret,
        client: show(tx, id)?,
    })
}

/// Deletes a client and its access tokens.
///
/// # Errors
/// [`Code::NotFound`]; 403 if the caller may not manage the client; [`Code::PreconditionFailed`].
pub fn delete(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    id: ClientId,
    if_match: &IfMatch,
) -> TxResult<()> {
    const ACTION: &str = "client.delete";
    tx.wait_for_leases();
    let (authority, row) = lock_rows(tx, caller, id)?;
    let row = row.ok_or(Code::NotFound)?;
    authorize(tx, caller, authority, &row, ACTION, &[ClientAction::Manage])?;
    if_match.check(row.version)?;
    tx.invalidate(Invalidation::Principal(id.0));
    store::delete(tx.conn, id)?;
    idempotency::service::delete_reply_for(tx, id.0)?;
    let entry =
        AuditEntry::new(ACTION, Subject::Client(id)).with_change(fields(&row).into(), Value::Null);
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// Sets the time at which the client was last used.
///
/// # Errors
/// Database errors.
pub fn record_use(tx: &mut Tx<'_>, id: ClientId) -> Result<(), AppError> {
    store::set_last_used(tx.conn, id, tx.now)?;
    Ok(())
}

/// Locks the rows of the caller and of the client, then reads the caller's current authority.
fn lock_rows(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    id: ClientId,
) -> Result<(Authority, Option<ClientRow>), AppError> {
    let principal = Principal::of(&caller.identity);
    let caller_lock = principal.map(|principal| (principal, RowLock::Shared));
    let client = (Principal::Client(id), RowLock::Exclusive);
    row_locks::lock_principals(tx, caller_lock.into_iter().chain([client]))?;
    row_locks::lock_roles_of(tx, principal)?;
    Ok((caller.current_authority(tx)?, store::find(tx.conn, id)?))
}

fn authorize(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ManageClients>,
    authority: Authority,
    row: &ClientRow,
    action_name: &'static str,
    actions: &[ClientAction],
) -> TxResult<()> {
    let target = ManagedClient {
        id: row.id,
        rank: row.rank,
        permissions: PermissionSet::only(&row.permissions),
    };
    let manager = ClientPolicyCaller::new(caller, authority);
    policy::check_actions(&manager, &target, actions).map_err(|denied| {
        audit::deny(
            tx,
            caller,
            AuditEntry::new(action_name, Subject::Client(row.id)),
            denied,
        )
    })
}

fn actions_of(row: &ClientRow, changes: &ClientChangeset) -> Vec<ClientAction> {
    let mut actions = vec![ClientAction::Manage];
    actions.extend(changes.rank.map(ClientAction::SetRank));
    if let Some(permissions) = &changes.permissions {
        let is_added = |name: &&String| !row.permissions.contains(name);
        actions.push(ClientAction::Grant(
            permissions.iter().filter(is_added).cloned().collect(),
        ));
    }
    actions
}

fn raises_authority(row: &ClientRow, changes: &ClientChangeset) -> bool {
    let adds = |permissions: &Vec<String>| {
        permissions
            .iter()
            .any(|name| !row.permissions.contains(name))
    };
    changes.permissions.as_ref().is_some_and(adds)
        || changes.rank.is_some_and(|rank| rank > row.rank)
}

fn update_entry(action_name: &'static str, before: &ClientRow, after: &ClientRow) -> AuditEntry {
    AuditEntry::new(action_name, Subject::Client(before.id))
        .with_diff(FieldDiff::between(fields(before), fields(after)))
}

/// The fields that a caller can set, for the audit log.
fn fields(row: &ClientRow) -> Map<String, Value> {
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

fn map_name_conflict(result: impl OnConstraint<usize>) -> Result<usize, AppError> {
    result.on_constraint("service_clients_name_key", Code::ClientNameConflict)
}

/// At most two ids of service clients that begin with this prefix.
///
/// # Errors
/// Database errors.
pub fn find_ids(tx: &mut Tx<'_>, prefix: IdPrefix) -> Result<Vec<Uuid>, AppError> {
    Ok(store::find_ids(tx.conn, prefix)?)
}
