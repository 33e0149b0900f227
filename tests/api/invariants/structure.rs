//! The files keep to the rooms they are in: `src/lib.rs` says who may call whom, this reads the words that would break it.

use std::path::{Path, PathBuf};

use crate::support::operations;

/// One file of `src`.
struct Source {
    /// From `src` on, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// Whether it is `<kind>.rs`, or in a folder that is called so.
    fn is(&self, kind: &str) -> bool {
        self.path
            .trim_end_matches(".rs")
            .split('/')
            .any(|part| part == kind)
    }

    /// The first of the words that its code, not its comments, mentions.
    fn mentions<'a>(&self, words: &[&'a str]) -> Option<&'a str> {
        let code = self.text.lines().map(str::trim_start);
        let code: Vec<&str> = code.filter(|line| !line.starts_with("//")).collect();
        let said = |word: &&&str| code.iter().any(|line| has_word(line, word));
        words.iter().find(said).copied()
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.split_at(at).0, line.split_at(at + word.len()).1);
        !before.ends_with(is_part) && (word.ends_with(':') || !after.starts_with(is_part))
    })
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    let read = |path: PathBuf| Source {
        path: path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    found.into_iter().map(read).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Holds if no file of this kind mentions one of these words, and there is such a file.
fn never(kind: &str, words: &[&str]) {
    let files: Vec<Source> = sources().into_iter().filter(|file| file.is(kind)).collect();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(file.mentions(words), None, "in src/{}", file.path);
    }
}

#[test]
fn routes_know_no_sql() {
    never("routes", &["diesel", "schema::", "store"]);
}

#[test]
fn services_know_no_http_framework() {
    never("service", &["actix", "actix_web", "tokio", "schema::"]);
}

#[test]
fn stores_decide_nothing() {
    never("store", &["actix", "actix_web", "AppError"]);
}

#[test]
fn rules_know_neither_the_database_nor_the_web_nor_the_clock() {
    never("rules", &["diesel", "actix", "actix_web", "Utc::now"]);
}

#[test]
fn sql_is_in_stores_and_in_the_rooms_below_them() {
    const ROOMS: [&str; 4] = ["store", "db", "schema", "ids"];
    for file in sources() {
        if !ROOMS.iter().any(|room| file.is(room)) {
            assert_eq!(file.mentions(&["diesel"]), None, "in src/{}", file.path);
        }
    }
}

#[test]
fn stores_rules_and_routes_are_open_to_their_own_slice_only() {
    for file in sources() {
        for line in file.text.lines() {
            for room in ["store", "rules", "routes"] {
                assert!(!line.contains(&format!("pub mod {room};")), "{}", file.path);
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in sources() {
        assert!(file.text.starts_with("//! "), "src/{}", file.path);
    }
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    for file in sources() {
        let lines = file.text.lines().count();
        assert!(lines <= 400, "src/{}: {lines}", file.path);
    }
}

/// One search for a path finds the one place that answers it.
#[test]
fn every_path_is_written_out_once_at_its_handler() {
    let mut written: Vec<String> = sources()
        .iter()
        .filter(|file| !file.is("tests"))
        .flat_map(|file| file.text.lines())
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
