//! The module structure: every file of `src` belongs to a layer and imports only from lower layers or its own module, no
//! files import each other in a circle, and SQL stays in the files for it. `docs/architecture.md` explains the layers.

mod imports;

use std::collections::BTreeMap;

use crate::support::operations;
use imports::SourceTree;

/// The layers from the lowest to the highest. A module is a path prefix; modules of one layer do not import each other.
/// `*` stands for the route files of all modules.
const LAYERS: &[&[&str]] = &[
    &["platform/", "schema.rs"],
    &["access/actor/"],
    &["audit/"],
    &["access/authentication/", "access/passwords/", "mail/"],
    &[
        "access/peppers/",
        "access/rate_limit/",
        "access/replicas/",
        "access/signing_keys/",
        "idempotency/",
    ],
    &["accounts/roles/"],
    &["access/clients/", "accounts/users/"],
    &[
        "access/password_check/",
        "access/revocation_feed/",
        "access/tokens/",
        "accounts/email_confirmations/",
        "accounts/invites/",
        "accounts/password_reset/",
    ],
    &[
        "access/sessions/",
        "accounts/mail_values.rs",
        "accounts/registration/",
    ],
    &[
        "access/forward_auth/",
        "access/oauth/",
        "accounts/lifecycle/",
        "audit/log/",
    ],
    &["accounts/credentials/", "accounts/role_update_delete/"],
    &["accounts/profile/", "accounts/user_admin/"],
    &["app_state.rs"],
    &["*"],
    &["server/"],
    &["cli/"],
];

/// Files of the HTTP layer: they read the shared state, so they are above it, whatever module they are in.
const HTTP_FILES: &[&str] = &[
    "routes.rs",
    "list_routes.rs",
    "middleware.rs",
    "access/oauth/endpoints.rs",
    "access/sessions/token_cookies.rs",
    "accounts/user_admin/import/run.rs",
    "accounts/user_admin/initial_password.rs",
    "accounts/user_admin/response_cache.rs",
];

/// Files that only declare modules.
const MODULE_LISTS: &[&str] = &["access/mod.rs", "accounts/mod.rs", "lib.rs"];

/// The layer and the module of a file; `None` when the file belongs to no layer.
fn layer_of(path: &str) -> Option<(usize, &'static str)> {
    let is_http = HTTP_FILES
        .iter()
        .any(|file| path == *file || path.ends_with(&format!("/{file}")));
    if is_http && !path.starts_with("server/") {
        return LAYERS
            .iter()
            .position(|layer| layer.contains(&"*"))
            .map(|layer| (layer, "*"));
    }
    let matching = LAYERS.iter().enumerate().flat_map(|(layer, modules)| {
        let prefixes = modules.iter().filter(|module| path.starts_with(**module));
        prefixes.map(move |module| (layer, *module))
    });
    matching.max_by_key(|(_, module)| module.len())
}

/// Everything that violates the structure, one line each.
fn violations(tree: &SourceTree) -> Vec<String> {
    let imports = tree.imports();
    let mut found = Vec::new();
    for (file, targets) in &imports {
        if MODULE_LISTS.contains(file) {
            continue;
        }
        let Some((layer, module)) = layer_of(file) else {
            found.push(format!("{file} belongs to no layer"));
            continue;
        };
        for target in targets {
            match layer_of(target) {
                Some((lower, _)) if lower < layer => {}
                Some((_, same)) if same == module => {}
                _ => found.push(format!("{file} must not import {target}")),
            }
        }
    }
    found.extend(circles(&imports));
    found
}

/// The circles between files.
fn circles<'a>(imports: &BTreeMap<&'a str, std::collections::BTreeSet<&'a str>>) -> Vec<String> {
    // Files without imports into the rest are removed until none is left: what remains is in a circle, or imports one.
    let mut rest = imports.clone();
    loop {
        let removable: Vec<&str> = rest
            .iter()
            .filter(|(_, targets)| !targets.iter().any(|target| rest.contains_key(target)))
            .map(|(file, _)| *file)
            .collect();
        if removable.is_empty() {
            break;
        }
        for file in removable {
            rest.remove(file);
        }
    }
    // The same from the other end: files that no remaining file imports are only above a circle.
    loop {
        let unused: Vec<&str> = rest
            .keys()
            .filter(|file| !rest.values().any(|targets| targets.contains(*file)))
            .copied()
            .collect();
        if unused.is_empty() {
            break;
        }
        for file in unused {
            rest.remove(file);
        }
    }
    let in_circle = |file: &&str| format!("{file} is part of a circle of imports");
    rest.keys().map(in_circle).collect()
}

/// The first of the words in the code of a file, comments excluded.
fn mentions<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let code: Vec<&str> = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .collect();
    words
        .iter()
        .find(|word| code.iter().any(|line| has_word(line, word)))
        .copied()
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.split_at(at).0, line.split_at(at + word.len()).1);
        !before.ends_with(is_part) && (word.ends_with(':') || !after.starts_with(is_part))
    })
}

/// The words that the code of this file must not contain, by its name.
fn forbidden_words(path: &str) -> &'static [&'static str] {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_sql_file = matches!(name, "store.rs" | "read_model.rs" | "schema.rs" | "ids.rs")
        || path.starts_with("platform/db/");
    match name {
        "store.rs" | "read_model.rs" => &["actix", "actix_web", "AppError"],
        _ if is_sql_file => &[],
        "policy.rs" => &["diesel", "crate::schema", "actix", "actix_web", "Utc::now"],
        "service.rs" => &["diesel", "crate::schema", "actix", "actix_web", "tokio"],
        _ => &["diesel", "crate::schema"],
    }
}

fn forbidden_word(path: &str, text: &str) -> Option<String> {
    let word = mentions(text, forbidden_words(path))?;
    Some(format!("{path} must not mention {word}"))
}

fn source_texts() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let tree = SourceTree::read();
    let read = |path: &str| {
        (
            path.to_owned(),
            std::fs::read_to_string(root.join(path)).unwrap(),
        )
    };
    tree.files.iter().map(|file| read(&file.path)).collect()
}

#[test]
fn every_file_imports_only_from_lower_layers_and_without_circles() {
    assert_eq!(violations(&SourceTree::read()), Vec::<String>::new());
}

#[test]
fn sql_and_http_types_stay_in_the_files_for_them() {
    let found: Vec<String> = source_texts()
        .iter()
        .filter_map(|(path, text)| forbidden_word(path, text))
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

/// A store reads the tables of its own module. Queries across modules are in a `read_model.rs`, whose header says why.
#[test]
fn read_models_say_why_they_read_other_tables() {
    for (path, text) in source_texts() {
        if path.ends_with("read_model.rs") {
            assert!(text.starts_with("//! Read model across tables"), "{path}");
        }
    }
}

#[test]
fn an_upward_import_is_found() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let tree = SourceTree::parse([
        file("lib.rs", "pub mod accounts; pub mod platform;"),
        file("platform/mod.rs", "pub mod clock;"),
        file("platform/clock.rs", "use crate::accounts::users::User;"),
        file("accounts/mod.rs", "pub mod users;"),
        file("accounts/users/mod.rs", "mod model; pub use model::User;"),
        file("accounts/users/model.rs", "pub struct User;"),
    ]);
    let expected = "platform/clock.rs must not import accounts/users/model.rs";
    assert_eq!(violations(&tree), [expected]);
}

#[test]
fn a_circle_between_files_is_found() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let tree = SourceTree::parse([
        file("lib.rs", "pub mod platform;"),
        file("platform/mod.rs", "mod one; mod two; mod three;"),
        file("platform/one.rs", "use super::two::f; pub fn g() { f() }"),
        file("platform/two.rs", "pub fn f() { super::one::g() }"),
        file("platform/three.rs", "use super::one::g; pub fn h() { g() }"),
    ]);
    let expected = [
        "platform/one.rs is part of a circle of imports",
        "platform/two.rs is part of a circle of imports",
    ];
    assert_eq!(violations(&tree), expected);
}

#[test]
fn sql_in_a_service_is_found() {
    let text = "//! A comment may mention diesel.\nuse diesel::prelude::*;\n";
    let expected = Some("accounts/users/service.rs must not mention diesel".to_owned());
    assert_eq!(forbidden_word("accounts/users/service.rs", text), expected);
    assert_eq!(forbidden_word("accounts/users/store.rs", text), None);
}

#[test]
fn every_file_starts_with_a_description() {
    for (path, text) in source_texts() {
        assert!(text.starts_with("//! "), "src/{path}");
    }
}

#[test]
fn only_one_file_contains_unsafe_code() {
    let has_unsafe = |(path, text): &(String, String)| {
        let is_code = |line: &str| !line.trim_start().starts_with("//");
        let found = text
            .lines()
            .any(|line| is_code(line) && line.contains("unsafe"));
        (found && !path.starts_with("server/openapi/") && !path.contains("/tests/"))
            .then(|| path.clone())
    };
    let found: Vec<String> = source_texts().iter().filter_map(has_unsafe).collect();
    assert_eq!(found, ["platform/db/sqlstate.rs"]);
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    for (path, text) in source_texts() {
        let lines = text.lines().count();
        assert!(lines <= 400, "src/{path}: {lines}");
    }
}

/// A search for a path finds the one handler that answers it.
#[test]
fn every_path_is_a_literal_at_its_handler() {
    let mut written: Vec<String> = source_texts()
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| {
            let (method, rest) = line.strip_prefix("#[")?.split_once("(\"/")?;
            let path = rest.strip_suffix("\")]")?;
            Some(format!("{} /{path}", method.to_uppercase()))
        })
        .collect();
    let mut documented: Vec<String> = operations()
        .iter()
        .map(|operation| format!("{} {}", operation.method, operation.path))
        .collect();
    written.sort();
    documented.sort();
    assert_eq!(written, documented);
}
