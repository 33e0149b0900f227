//! The use cases of administrators on one account. The command line calls the same functions.

pub use super::removal::service::{delete, purge, purge_next_deleted, purge_unconfirmed, restore};
pub use super::status_and_permissions::service::{replace_permissions, set_active};
pub use super::update::{set_tag, update};
