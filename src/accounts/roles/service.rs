//! Reading roles, and keeping the catalogue of permissions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::policy::values::{PermissionName, PermissionSet};
use super::store::{self, PermissionRow, RoleRow};
use crate::access::authentication::{Actor, Authority, Can, needs};
use crate::access::clients;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Invalidation, OnConstraint, Tx, advisory_lock};
use crate::platform::error::{AppError, Code, Fault, TxResult};
use crate::platform::http::Versioned;

pub use super::crud::{change, create, delete};
pub use super::input::{NewRole, RolePatch};

/// A role.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Its name, which is also its id.
    #[schema(example = "Admin")]
    pub name: String,
    /// Whoever manages an account must rank strictly above it.
    #[schema(minimum = 0, maximum = 1000)]
    pub rank: i32,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives, sorted; for `SuperAdmin` the whole catalogue.
    pub permissions: Vec<String>,
    /// Whether the service brought it; such a role can't be deleted.
    pub is_built_in: bool,
    /// When it was made.
    pub created_at_utc: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at_utc: DateTime<Utc>,
    #[serde(skip)]
    #[schema(ignore)]
    version: i64,
}

impl Versioned for Role {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Role {
    /// The authority of an account that has this role and these direct grants.
    #[must_use]
    pub fn authority(&self, direct: &[String]) -> Authority {
        Authority {
            permissions: PermissionSet::of(&self.name, &self.permissions, direct),
            rank: self.rank,
            role: self.name.clone(),
        }
    }
}

/// With the permissions that are written to it: for `SuperAdmin` none, it holds everything.
impl From<RoleRow> for Role {
    fn from(row: RoleRow) -> Self {
        Self {
            name: row.name,
            rank: row.rank,
            description: row.description,
            permissions: row.permissions,
            is_built_in: row.built_in,
            created_at_utc: row.created_at,
            updated_at_utc: row.updated_at,
            version: row.version,
        }
    }
}

/// A permission in the catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    /// `resource.action`.
    #[schema(example = "assets.read")]
    pub name: String,
    /// What it permits.
    pub description: Option<String>,
    /// Whether it is the service's own; such a permission can't be removed.
    pub is_built_in: bool,
    /// When it was registered.
    pub created_at_utc: DateTime<Utc>,
}

impl From<PermissionRow> for Permission {
    fn from(row: PermissionRow) -> Self {
        Self {
            name: row.name,
            description: row.description,
            is_built_in: row.built_in,
            created_at_utc: row.created_at,
        }
    }
}

/// Permissions that somebody asked about, each once and in the order asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// Those that are held.
    #[schema(example = json!(["users.read"]))]
    pub granted: Vec<String>,
    /// Those that are not. What the catalogue lacks is held by nobody.
    #[schema(example = json!(["users.delete"]))]
    pub missing: Vec<String>,
}

/// A permission to register.
#[derive(Debug, Deserialize, ToSchema, validator::Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPermission {
    /// `resource.action`.
    #[schema(
        example = "assets.read",
        pattern = r"^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+$",
        max_length = 100
    )]
    pub name: String,
    /// What it permits.
    #[validate(length(max = 500))]
    #[schema(max_length = 500)]
    pub description: Option<String>,
}

/// Every role, the highest rank first.
///
/// # Errors
/// When the database fails.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Role>, AppError> {
    let rows = store::roles(tx.conn)?;
    let all = store::catalogue_names(tx.conn)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let role = Role::from(row);
            let permissions = names(&role.authority(&[]).permissions, &all);
            Role {
                permissions,
                ..role
            }
        })
        .collect())
}

/// The role of this name.
///
/// # Errors
/// [`Code::NotFound`].
pub fn show(tx: &mut Tx<'_>, name: &str) -> Result<Role, AppError> {
    let role = get(tx, name)?;
    let permissions = list_held(tx, &role.authority(&[]).permissions)?;
    Ok(Role {
        permissions,
        ..role
    })
}

/// The role of this name with the permissions that are written to it: for `SuperAdmin` none, it holds everything.
///
/// # Errors
/// [`Code::NotFound`].
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Role, AppError> {
    let row = store::role(tx.conn, name)?.ok_or(Code::NotFound)?;
    Ok(row.into())
}

/// The written permissions of every role, by its name.
///
/// # Errors
/// When the database fails.
pub fn permissions_by_role(tx: &mut Tx<'_>) -> Result<BTreeMap<String, Vec<String>>, AppError> {
    Ok(store::roles(tx.conn)?
        .into_iter()
        .map(|row| (row.name, row.permissions))
        .collect())
}

/// The names of what is held, sorted: everything is what the catalogue has now.
///
/// # Errors
/// When the database fails.
pub fn list_held(tx: &mut Tx<'_>, permissions: &PermissionSet) -> Result<Vec<String>, AppError> {
    match permissions {
        PermissionSet::Only(_) => Ok(names(permissions, &[])),
        PermissionSet::All => Ok(names(permissions, &store::catalogue_names(tx.conn)?)),
    }
}

/// [`list_held`] for a catalogue that was read before.
#[must_use]
pub fn names(permissions: &PermissionSet, catalogue: &[String]) -> Vec<String> {
    match permissions {
        PermissionSet::Only(names) => names.iter().cloned().collect(),
        PermissionSet::All => catalogue.to_vec(),
    }
}

/// Which of these permissions are held.
///
/// # Errors
/// When the database fails.
pub fn check(
    tx: &mut Tx<'_>,
    permissions: &PermissionSet,
    asked: &[PermissionName],
) -> Result<Check, AppError> {
    let all = BTreeSet::from_iter(list_held(tx, permissions)?);
    let mut seen = BTreeSet::new();
    let (granted, missing) = asked
        .iter()
        .map(|name| name.as_str().to_owned())
        .filter(|name| seen.insert(name.clone()))
        .partition(|name| all.contains(name));
    Ok(Check { granted, missing })
}

/// The names in the catalogue, sorted.
///
/// # Errors
/// When the database fails.
pub fn catalogue_names(tx: &mut Tx<'_>) -> Result<Vec<String>, AppError> {
    Ok(store::catalogue_names(tx.conn)?)
}

/// Reads permissions that are to be granted: sorted, each once, every one of them in the catalogue.
///
/// # Errors
/// [`Code::PermissionUnknown`] pointing at each that is not, below `/permissions`; [`Code::RequestInvalid`] for more names
/// than an answer could point at.
pub fn grantable(tx: &mut Tx<'_>, wanted: &[String]) -> Result<Vec<String>, AppError> {
    const MOST: usize = 1000;
    if wanted.len() > MOST {
        let detail = "at most 1000 permissions are given at once";
        return Err(AppError::fault("/permissions", "too_many", detail));
    }
    let mut known = store::known(tx.conn, wanted)?;
    let unknown = |(index, name): (usize, &String)| {
        (!known.contains(name)).then(|| {
            Fault::new(
                format!("/permissions/{index}"),
                Code::PermissionUnknown.as_str(),
                format!("{name} is not in the catalogue"),
            )
        })
    };
    let faults: Vec<Fault> = wanted.iter().enumerate().filter_map(unknown).collect();
    if faults.is_empty() {
        known.sort_unstable();
        Ok(known)
    } else {
        let refusal = AppError::new(Code::PermissionUnknown);
        Err(faults.into_iter().fold(refusal, AppError::at))
    }
}

/// The whole catalogue, by name.
///
/// # Errors
/// When the database fails.
pub fn catalogue(tx: &mut Tx<'_>) -> Result<Vec<Permission>, AppError> {
    Ok(store::catalogue(tx.conn)?
        .into_iter()
        .map(Permission::from)
        .collect())
}

/// Registers a permission.
///
/// # Errors
/// [`Code::RequestInvalid`] for a name that is none, [`Code::PermissionNameConflict`].
pub fn register(
    tx: &mut Tx<'_>,
    by: &Can<needs::ManageRoles>,
    new: &NewPermission,
) -> TxResult<Permission> {
    let name = PermissionName::parse(&new.name)
        .map_err(|wrong| AppError::fault("/name", "invalid_format", wrong.to_string()))?;
    advisory_lock::rely(tx.conn, advisory_lock::Invariant::Authority)?;
    by.renew(tx)?;
    let row = row_of(tx, &name, new.description.clone());
    tx.invalidate(Invalidation::All);
    store::insert_permission(tx.conn, &row)
        .on_constraint("permissions_pkey", Code::PermissionNameConflict)?;
    let act = AuditEntry::new("permission.register", Subject::Permission(row.name.clone()))
        .changing(Value::Null, json!({"description": row.description}));
    audit::record(tx, by, act)?;
    Ok(row.into())
}

/// Registers those of the names that the catalogue lacks: what `ROSTERD_PERMISSIONS` asks for at the start.
///
/// # Errors
/// When the database fails.
pub fn register_missing(tx: &mut Tx<'_>, names: &[PermissionName]) -> TxResult<()> {
    let rows: Vec<PermissionRow> = names.iter().map(|name| row_of(tx, name, None)).collect();
    let known = store::known(
        tx.conn,
        &rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>(),
    )?;
    store::insert_missing_permissions(tx.conn, &rows)?;
    for row in rows.into_iter().filter(|row| !known.contains(&row.name)) {
        audit::record(
            tx,
            &Actor::system(),
            AuditEntry::new("permission.register", Subject::Permission(row.name)),
        )?;
    }
    Ok(())
}

/// Takes a permission out of the catalogue.
///
/// # Errors
/// [`Code::NotFound`], [`Code::PermissionBuiltIn`], [`Code::PermissionInUse`] with the count.
pub fn unregister(tx: &mut Tx<'_>, by: &Can<needs::ManageRoles>, name: &str) -> TxResult<()> {
    advisory_lock::change(tx.conn, advisory_lock::Invariant::Authority)?;
    by.renew(tx)?;
    let act = || {
        AuditEntry::new(
            "permission.unregister",
            Subject::Permission(name.to_owned()),
        )
    };
    let row = store::permission(tx.conn, name)?.ok_or(Code::NotFound)?;
    if row.built_in {
        return Err(audit::refuse(tx, by, act(), Code::PermissionBuiltIn));
    }
    let holders = store::holders(tx.conn, name)? + clients::service::count_of_permission(tx, name)?;
    if holders > 0 {
        let why = AppError::new(Code::PermissionInUse)
            .detail(format!(
                "{holders} accounts, roles or service clients have it."
            ))
            .extend("count", holders);
        return Err(audit::refuse(tx, by, act(), why));
    }
    tx.invalidate(Invalidation::All);
    store::delete_permission(tx.conn, name)?;
    let gone = act().changing(json!({"description": row.description}), Value::Null);
    audit::record(tx, by, gone)?;
    Ok(())
}

fn row_of(tx: &Tx<'_>, name: &PermissionName, description: Option<String>) -> PermissionRow {
    PermissionRow {
        name: name.as_str().to_owned(),
        description,
        built_in: false,
        created_at: tx.now,
    }
}
