//! The table of settings and the file `.env.example` that is generated from it.

use std::collections::{BTreeSet, HashMap};

use super::*;

/// With `UPDATE=1` in the environment, rewrites `.env.example` instead of comparing it.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test reads UPDATE, which is not a setting of the service"
)]
fn env_example_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, env_example()).unwrap();
        return;
    }
    let file = std::fs::read_to_string(path).unwrap();
    assert!(
        file == env_example(),
        "run UPDATE=1 cargo test --lib env_example"
    );
}

#[test]
fn env_example_contains_every_setting_with_its_default() {
    let example = env_example();
    let uncommented: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' ') && line.contains('='))
        .collect();
    let values: HashMap<String, String> =
        dotenvy::from_read_iter(uncommented.join("\n").as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
    for variable in VARIABLES {
        assert_eq!(values[variable.name], variable.default, "{}", variable.name);
        let alone = [(variable.name, variable.default)];
        assert!(variable.kind == VariableSensitivity::Secret || parse(&alone).is_ok());
        assert!(example.contains(&format!("# {}\n", variable.description)));
    }
    let secrets = VARIABLES
        .iter()
        .filter(|v| v.kind == VariableSensitivity::Secret)
        .count();
    assert_eq!(values.len(), VARIABLES.len() + secrets);
}

#[test]
fn names_of_settings_are_unique() {
    let names: Vec<String> = VARIABLES.iter().flat_map(EnvVariable::names).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn compose_file_passes_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("compose.yaml");
    let compose = std::fs::read_to_string(path).unwrap();
    let passed: BTreeSet<&str> = compose
        .lines()
        .filter_map(|line| line.strip_prefix("      ")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    // The image has no private cluster.
    let missing: Vec<&str> = VARIABLES
        .iter()
        .map(|variable| variable.name)
        .filter(|name| *name != "ROSTERD_DATA_DIR" && !passed.contains(name))
        .collect();
    assert!(missing.is_empty(), "add them to compose.yaml: {missing:?}");
}
