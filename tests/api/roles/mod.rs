//! `/api/v1/roles` and `/api/v1/permissions`.

mod catalogue;
mod crud;
