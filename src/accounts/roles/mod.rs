//! Roles, and the catalogue of permissions that roles and direct grants draw from.
//!
//! A role has a rank and bundles permissions. Three are built in; `SuperAdmin` holds every permission, also those that
//! apps register later. What a permission *means* is its app's business.

mod crud;
mod input;
mod policy;
mod routes;
pub mod service;
mod store;

pub use policy::values::{
    ADMIN, BadName, NotHeld, PermissionName, PermissionSet, RoleName, SUPER_ADMIN,
    SUPER_ADMIN_RANK, USER,
};
pub use routes::routes;
pub use service::Role;
