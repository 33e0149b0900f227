//! Pure rules about accounts: what their values may be, and who may do what to whom.

pub mod authority;
pub mod values;
