//! Roles, and the catalogue of permissions that roles and direct grants draw from.
//!
//! A role has a rank and bundles permissions. Three are built in; `SuperAdmin` holds every permission, also those that
//! apps register later. What a permission *means* is its app's business.

mod input;
mod managing;
mod routes;
mod rules;
pub mod service;
mod store;

pub use routes::routes;
pub use rules::values::{
    ADMIN, BadName, Held, NotHeld, PermissionName, RoleName, SUPER_ADMIN, SUPER_ADMIN_RANK, USER,
};
pub use service::Role;
