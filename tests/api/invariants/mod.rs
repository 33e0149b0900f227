//! Rules that hold for every operation or across operations.

mod access_table;
mod authorization_rules;
mod equal_time;
mod every_operation;
mod policy_table;
mod races;
mod replicas;
mod revocation;
mod schema;
mod structure;
