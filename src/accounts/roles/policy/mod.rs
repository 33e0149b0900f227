//! What roles decide, free of database and clock: what names and holdings are, and who may touch which role.

pub mod authority;
pub mod values;
