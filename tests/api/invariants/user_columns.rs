//! Every column of `users` is a field of the types that read, change and show it, or is listed here with a reason.
//! A new column makes this test fail until both are decided.

use std::collections::BTreeSet;

use syn::{Fields, Item};

use super::database_schema::{project_root, tables_in_schema_rs};

const STORE: &str = "src/accounts/users/store.rs";
const INPUT: &str = "src/accounts/users/input.rs";

/// A file, a type in it, and the columns that are not among its fields, each with the reason.
type ColumnUse = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const USES: &[ColumnUse] = &[
    (STORE, "UserRow", &[]),
    (
        STORE,
        "UserChangeset",
        &[
            ("id", "never changes"),
            (
                "password_version",
                "increases with each change of the password",
            ),
            ("created_at", "never changes"),
            ("updated_at", "set with every update"),
            (
                "last_login_at",
                "set by a sign-in, which is not an update of the account",
            ),
            ("version", "set with every update"),
        ],
    ),
    (
        "src/accounts/users/model.rs",
        "User",
        &[
            ("password_hash", "secret; shown as hasPassword"),
            ("password_version", "internal; invalidates reset links"),
            (
                "password_set_by_kind",
                "internal; checked when the account gets more authority",
            ),
            (
                "password_set_by",
                "internal; checked when the account gets more authority",
            ),
            (
                "email_set_by_kind",
                "internal; checked when the account gets more authority",
            ),
            (
                "email_set_by",
                "internal; checked when the account gets more authority",
            ),
        ],
    ),
    (
        INPUT,
        "UserPatch",
        &[
            ("id", "never changes"),
            ("permissions", "changed by PATCH /users/{id}/permissions"),
            (
                "password_hash",
                "changed by POST /users/{id}/reset-password",
            ),
            (
                "password_version",
                "increases with each change of the password",
            ),
            ("password_set_by_kind", "changes with the password"),
            ("password_set_by", "changes with the password"),
            ("email_set_by_kind", "changes with the email address"),
            ("email_set_by", "changes with the email address"),
            ("mfa_enabled", "changed by the account's owner"),
            ("created_at", "never changes"),
            ("updated_at", "set with every update"),
            ("last_login_at", "set by a sign-in"),
            (
                "deleted_at",
                "changed by DELETE /users/{id} and POST /users/{id}/restore",
            ),
            ("version", "set with every update"),
        ],
    ),
];

#[test]
fn every_column_of_users_is_a_field_or_is_listed_with_a_reason() {
    let tables = tables_in_schema_rs();
    for (file, type_name, without_field) in USES {
        let fields = fields_of(file, type_name);
        for (column, _) in &tables["users"] {
            let is_listed = without_field.iter().any(|(listed, _)| listed == column);
            assert_ne!(
                fields.contains(column),
                is_listed,
                "users.{column}: add it to {type_name} in {file}, or list it here with a reason, but not both"
            );
        }
        for (listed, reason) in *without_field {
            assert!(
                tables["users"].iter().any(|(column, _)| column == listed),
                "{type_name}: users has no column {listed} ({reason})"
            );
        }
    }
}

/// The names of the fields of a struct, without the `_utc` of API members.
fn fields_of(file: &str, type_name: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(project_root().join(file)).unwrap();
    let fields = syn::parse_file(&text)
        .unwrap()
        .items
        .into_iter()
        .find_map(|item| match item {
            Item::Struct(item) if item.ident == type_name => Some(item.fields),
            _ => None,
        });
    let Some(Fields::Named(fields)) = fields else {
        panic!("{file} has no struct {type_name} with named fields")
    };
    let name = |field: &syn::Field| field.ident.as_ref().unwrap().to_string();
    let column = |name: String| {
        name.strip_suffix("_utc")
            .map(ToOwned::to_owned)
            .unwrap_or(name)
    };
    fields.named.iter().map(name).map(column).collect()
}
