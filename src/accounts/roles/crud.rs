//! Making, changing and deleting roles. A change is felt by every holder at the next request.

use serde_json::{Map, Value, json};

use super::input::{Change, Draft};
use super::policy::authority::{self, Deed, Target};
use super::service::{self, Role};
use super::store::{self, RoleChanges, RoleRow};
use crate::access::authentication::{Authority, Can, needs};
use crate::accounts::users::{self, service::RoleReassignment};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::http::IfMatch;

/// Makes a role.
///
/// # Errors
/// [`Code::PermissionUnknown`]; the refusals of the rules of authority; [`Code::RoleNameConflict`].
pub fn create(tx: &mut Tx<'_>, by: &Can<needs::ManageRoles>, draft: &Draft) -> TxResult<Role> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::Authority)?;
    let authority = by.renew(tx)?;
    let permissions = service::grantable(tx, &draft.permissions)?;
    let act = || AuditEntry::new("role.create", Subject::Role(draft.name.as_str().to_owned()));
    if let Err(denied) = authority::may_make(&authority, draft.rank, &permissions) {
        return Err(audit::refuse(tx, by, act(), denied));
    }
    let row = RoleRow {
        name: draft.name.as_str().to_owned(),
        rank: draft.rank,
        description: draft.description.clone(),
        permissions,
        built_in: false,
        version: 1,
        created_at: tx.now,
        updated_at: tx.now,
    };
    unless_taken(store::insert(tx.conn, &row))?;
    audit::record(tx, by, act().changing(Value::Null, whole(&row).into()))?;
    service::show(tx, &row.name).map_err(TxAbort::from)
}

/// Changes a role. One that accounts have gets another name only when `move_to` says where they go; that may be the
/// role itself under its new name.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::PermissionUnknown`]; [`Code::RequestInvalid`] for a `move_to` that is none; the refusals
/// of the rules of authority, those about accounts among them when it moves some; [`Code::PreconditionFailed`];
/// [`Code::RoleInUse`] with the count; [`Code::RoleNameConflict`].
pub fn change(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageRoles>,
    name: &str,
    change: &Change,
    move_to: Option<&str>,
    expected: &IfMatch,
) -> TxResult<Role> {
    let authority = current_authority(tx, by)?;
    let permissions = change
        .permissions()
        .map(|wanted| service::grantable(tx, wanted))
        .transpose()?;
    let fate = match change.name() {
        Some(renamed) if renamed != name => Fate::Renamed(renamed),
        _ => Fate::Stays,
    };
    let destination = destination(tx, name, &fate, move_to)?;
    let scene = LockedRole::open(tx, authority, name, "role.update")?;
    let changes = change.of(&scene.row, permissions);
    scene.permit(tx, by, &deeds_of(&scene.row, &changes))?;
    let after = changes.applied_to(&scene.row);
    let leaving = scene.prepare_move(tx, by, destination, &after)?;
    let needs_no_holders = changes.name.is_some() && leaving.is_none();
    scene.require(tx, by, expected, needs_no_holders)?;
    if changes != RoleChanges::default() {
        unless_taken(store::update(tx.conn, name, tx.now, &changes))?;
        tx.invalidate(Invalidation::All);
    }
    audit::record(tx, by, scene.story(&after))?;
    if let Some(leaving) = leaving {
        users::service::carry_out(tx, by, leaving)?;
    }
    service::show(tx, &after.name).map_err(TxAbort::from)
}

/// Deletes a role. Whoever has it goes where `move_to` says.
///
/// # Errors
/// As [`change`].
pub fn delete(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageRoles>,
    name: &str,
    move_to: Option<&str>,
    expected: &IfMatch,
) -> TxResult<()> {
    let authority = current_authority(tx, by)?;
    let destination = destination(tx, name, &Fate::Deleted, move_to)?;
    let scene = LockedRole::open(tx, authority, name, "role.delete")?;
    scene.permit(tx, by, &[Deed::Delete])?;
    let leaving = scene.prepare_move(tx, by, destination, &scene.row)?;
    scene.require(tx, by, expected, leaving.is_none())?;
    if let Some(leaving) = leaving {
        users::service::carry_out(tx, by, leaving)?;
    }
    store::delete(tx.conn, name).on_constraint("users_role_fkey", Code::RoleInUse)?;
    let gone = scene.act().changing(whole(&scene.row).into(), Value::Null);
    audit::record(tx, by, gone)?;
    Ok(())
}

/// Takes the lock for a change of authority, then reads the caller's.
fn current_authority(tx: &mut Tx<'_>, by: &Can<needs::ManageRoles>) -> Result<Authority, AppError> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::Authority)?;
    by.renew(tx)
}

/// What becomes of a role.
enum Fate<'a> {
    /// It keeps its name.
    Stays,
    /// It gets this name.
    Renamed(&'a str),
    /// It goes.
    Deleted,
}

/// Where the accounts of a role go.
enum Destination {
    /// Nowhere: there must be none.
    Nowhere,
    /// With the role, to its new name.
    Along,
    /// To this other role.
    Role(Role),
}

/// Reads where the accounts of the role `name` are to go.
fn destination(
    tx: &mut Tx<'_>,
    name: &str,
    fate: &Fate<'_>,
    to: Option<&str>,
) -> Result<Destination, AppError> {
    let wrong = |code, detail| AppError::fault("?moveTo", code, detail);
    match (fate, to) {
        (_, None) => Ok(Destination::Nowhere),
        (Fate::Stays, Some(_)) => {
            let detail = "accounts move when their role gets another name or is deleted";
            Err(wrong("invalid_value", detail))
        }
        (Fate::Renamed(renamed), Some(to)) if *renamed == to => Ok(Destination::Along),
        (_, Some(to)) => store::role(tx.conn, to)?
            .filter(|role| role.name != name)
            .map(|role| Destination::Role(role.into()))
            .ok_or_else(|| wrong("role_unknown", "there is no other role of this name")),
    }
}

/// One role that somebody wants to change, with everything that decides about it held still.
struct LockedRole {
    act: &'static str,
    row: RoleRow,
    authority: Authority,
}

impl LockedRole {
    fn open(
        tx: &mut Tx<'_>,
        authority: Authority,
        name: &str,
        act: &'static str,
    ) -> Result<Self, AppError> {
        let row = store::role(tx.conn, name)?.ok_or(Code::NotFound)?;
        Ok(Self {
            act,
            row,
            authority,
        })
    }

    fn act(&self) -> AuditEntry {
        AuditEntry::new(self.act, Subject::Role(self.row.name.clone()))
    }

    fn permit(
        &self,
        tx: &mut Tx<'_>,
        by: &Can<needs::ManageRoles>,
        deeds: &[Deed],
    ) -> TxResult<()> {
        let target = Target {
            name: &self.row.name,
            rank: self.row.rank,
            is_built_in: self.row.built_in,
        };
        authority::may(&self.authority, &target, deeds)
            .map_err(|denied| audit::refuse(tx, by, self.act(), denied))
    }

    /// Whether all holders may go there; `after` is this role as it will be.
    fn prepare_move(
        &self,
        tx: &mut Tx<'_>,
        by: &Can<needs::ManageRoles>,
        destination: Destination,
        after: &RoleRow,
    ) -> TxResult<Option<RoleReassignment>> {
        let to = match destination {
            Destination::Nowhere => return Ok(None),
            Destination::Along => after.clone().into(),
            Destination::Role(role) => role,
        };
        let from = Role::from(self.row.clone());
        users::service::prepare_move(tx, by, &self.authority, &from, &to, &|| self.act()).map(Some)
    }

    fn require(
        &self,
        tx: &mut Tx<'_>,
        by: &Can<needs::ManageRoles>,
        expected: &IfMatch,
        without_holders: bool,
    ) -> TxResult<()> {
        expected.check(self.row.version)?;
        let holders = users::service::count_of_role(tx, &self.row.name)?;
        if without_holders && holders > 0 {
            let why = AppError::new(Code::RoleInUse)
                .detail(format!("{holders} accounts have it, deleted ones counted."))
                .extend("count", holders);
            return Err(audit::refuse(tx, by, self.act(), why));
        }
        Ok(())
    }

    fn story(&self, after: &RoleRow) -> AuditEntry {
        let (mut old, mut new) = (whole(&self.row), whole(after));
        old.retain(|name, value| new.get(name) != Some(value));
        new.retain(|name, _| old.contains_key(name));
        self.act().changing(old.into(), new.into())
    }
}

fn deeds_of(row: &RoleRow, changes: &RoleChanges) -> Vec<Deed> {
    let mut deeds = vec![Deed::Describe];
    if changes.name.is_some() {
        deeds.push(Deed::Rename);
    }
    deeds.extend(changes.rank.map(Deed::SetRank));
    if let Some(permissions) = &changes.permissions {
        let is_new = |name: &&String| !row.permissions.contains(name);
        deeds.push(Deed::Withdraw);
        deeds.push(Deed::Grant(
            permissions.iter().filter(is_new).cloned().collect(),
        ));
    }
    deeds
}

/// All that a caller chose about a role.
fn whole(row: &RoleRow) -> Map<String, Value> {
    let members = [
        ("name", json!(row.name)),
        ("rank", json!(row.rank)),
        ("permissions", json!(row.permissions)),
        ("description", json!(row.description)),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn unless_taken(done: impl OnConstraint<usize>) -> Result<usize, AppError> {
    done.on_constraint("roles_pkey", Code::RoleNameConflict)
        .on_constraint("roles_name_lower_key", Code::RoleNameConflict)
}
