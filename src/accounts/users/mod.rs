//! User records: values, storage, lookup, lists, and the rules for managing an account.
//!
//! Every change of an account is checked by [`LockedUser::authorize`], which applies the rules of `policy`. The use cases
//! behind the `/users` endpoints are in `user_admin`: they also end sessions and tokens, which this module knows nothing of.

mod audit_entry;
mod authority_change;
mod authorization;
mod conflict;
mod initial_access;
mod input;
mod input_fields;
mod listing;
mod lookup;
mod model;
mod policy;
mod reassign_role;
mod record;
mod register;
mod reserved_names;
pub mod service;
mod session_visibility;
mod store;
mod values;

pub use authorization::{LockScope, LockedUser};
pub use initial_access::AccessGrant;
pub use input::{NewUser, UserPatch};
pub(crate) use input::{ValidatedUser, ValidatedUserChange};
pub use listing::{UserFilter, UserListCursor, UserSort};
pub use model::{User, UserStats};
pub use policy::UserAction;
pub use reassign_role::RoleReassignment;
pub use register::RegistrationOutcome;
pub(crate) use store::{UserChangeset, UserRow};
pub use values::{Email, Username, name_in_mail, parse_tag, parse_tags};
