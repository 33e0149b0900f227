//! Roles, and the catalogue of permissions that roles and direct grants refer to.
//!
//! A role has a rank and a set of permissions. Three roles are built in; `SuperAdmin` holds every permission, including
//! those registered later. Changing and deleting a role can move accounts to another role: see `role_update_delete`.

mod catalogue_service;
mod input;
mod lookup;
mod model;
mod policy;
mod read_model;
mod routes;
pub mod service;
mod store;

pub(crate) use input::ValidatedRoleChange;
pub use input::{NewRole, RolePatch};
pub use model::{NewPermission, Permission, PermissionCheck, Role};
pub(crate) use policy::{ManagedRole, RoleAction, check_actions};
pub use routes::routes;
pub(crate) use store::{RoleChangeset, RoleRow};
