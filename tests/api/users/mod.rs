//! `/api/v1/users`: accounts.

mod crud;
mod import;
mod list;
