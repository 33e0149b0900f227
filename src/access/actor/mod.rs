//! Who acts, and with which authority: actors, roles and permissions as values, and the rules for managing others.
//! No database, no HTTP.

mod account_status;
#[expect(
    clippy::module_inception,
    reason = "the file is named after its type `Actor`, like the others"
)]
mod actor;
mod authority;
mod creator;
pub mod management;
mod names;
mod permission_set;
mod principal;

pub use account_status::AccountStatus;
pub use actor::{Actor, CredentialFacts, Identity, Origin, OsUser};
pub use authority::Authority;
pub use creator::Creator;
pub use names::{
    ADMIN, InvalidName, PermissionName, RoleName, SUPER_ADMIN, SUPER_ADMIN_RANK, USER,
};
pub use permission_set::{PermissionSet, PermissionsNotHeld};
pub use principal::Principal;
