//! Rules that hold for every operation or across operations.

mod account_management_policy;
mod audit_floods;
mod authorization_rules;
mod database_schema;
mod every_operation;
mod login_timing;
mod notifications;
mod operation_permissions;
mod races;
mod replica_settings;
mod replicas;
mod revocation;
mod revocation_across_replicas;
mod strict_revocation;
mod structure;
mod user_columns;
