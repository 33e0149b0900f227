//! Comparison with a file that is checked in.

use std::path::Path;

/// Compares `actual` with the file at this path, relative to the repository.
///
/// With `UPDATE=1` in the environment the file is rewritten instead, and the difference shows in version control.
#[track_caller]
pub fn assert_matches_golden_file(path: &str, actual: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if is_updating() {
        std::fs::write(file, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(file).unwrap();
    for (index, (actual, expected)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            actual,
            expected,
            "{path}, line {}; UPDATE=1 rewrites the file",
            index + 1
        );
    }
    assert_eq!(actual, expected, "{path}; UPDATE=1 rewrites the file");
}

/// Whether files that are checked in are written instead of compared.
#[expect(
    clippy::disallowed_methods,
    reason = "tests read the environment without the service's configuration"
)]
pub fn is_updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}
