//! Finds the installed PostgreSQL programs. Ignores versions that are too old. Runs only `--version` and `--bindir`.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The oldest supported major version.
pub const OLDEST_MAJOR: u32 = 13;

/// Where packages install one directory per version: the parent directory, the prefix of the version's directory, and
/// the subdirectory with the programs.
const PACKAGE_DIRS: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];

/// An installed version: the directory with `postgres`, `initdb` and `pg_ctl`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Installation {
    pub major: u32,
    bin_dir: PathBuf,
}

impl Installation {
    /// The newest installed version.
    pub fn newest(search_path: &OsStr) -> Option<Self> {
        find_all(search_path).pop_last()
    }

    /// The installed version with this major version, for an existing cluster.
    pub fn with_major(search_path: &OsStr, major: u32) -> Option<Self> {
        let mut installations = find_all(search_path);
        installations.retain(|installation| installation.major == major);
        installations.pop_last()
    }

    pub fn path(&self, program: &str) -> PathBuf {
        self.bin_dir.join(program)
    }

    /// The installation that `dir/postgres` belongs to. Follows symbolic links such as `/usr/local/bin/postgres`.
    fn in_dir(dir: &Path) -> Option<Self> {
        let postgres = fs::canonicalize(dir.join("postgres")).ok()?;
        let bin_dir = postgres.parent()?.to_path_buf();
        let exists = ["initdb", "pg_ctl"].map(|program| bin_dir.join(program).is_file());
        let output = Command::new(&postgres).arg("--version").output().ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        (exists == [true; 2] && major >= OLDEST_MAJOR).then_some(Self { major, bin_dir })
    }
}

/// The first file called `program` in the search path. Ignores relative directories.
pub(super) fn find_in_path(search_path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(search_path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

fn find_all(search_path: &OsStr) -> BTreeSet<Installation> {
    let search_dirs = env::split_paths(search_path).filter(|dir| dir.is_absolute());
    let package_dirs = PACKAGE_DIRS
        .iter()
        .flat_map(|(parent, prefix, bin)| version_dirs(Path::new(parent), prefix, bin));
    search_dirs
        .chain(pg_config_bin_dir(search_path))
        .chain(package_dirs)
        .filter_map(|dir| Installation::in_dir(&dir))
        .collect()
}

fn pg_config_bin_dir(search_path: &OsStr) -> Option<PathBuf> {
    let pg_config = find_in_path(search_path, "pg_config")?;
    let output = Command::new(pg_config).arg("--bindir").output().ok()?;
    Some(OsString::from_vec(output.stdout.trim_ascii().to_vec()).into())
}

fn version_dirs(parent: &Path, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(bin))
        .collect()
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; `17beta1` is 17.
fn parse_major(version_line: &str) -> Option<u32> {
    let number = version_line.split_whitespace().nth(2)?;
    let end = number.find(|c: char| !c.is_ascii_digit());
    number.get(..end.unwrap_or(number.len()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn major_version_is_parsed_from_version_lines_of_different_packages() {
        for (line, major) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18.1\n", Some(18)),
            ("postgres (PostgreSQL) 17beta1\n", Some(17)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) devel\n", None),
            ("", None),
        ] {
            assert_eq!(parse_major(line), major, "{line:?}");
        }
    }

    #[test]
    fn incomplete_or_old_installations_are_ignored() {
        let dir = env::temp_dir().join(format!("rosterd-installation-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let dir = fs::canonicalize(dir).unwrap();
        let create_program = |name: &str, version: &str| {
            let path = dir.join(name);
            fs::write(
                &path,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        create_program("postgres", "99.1");
        create_program("initdb", "99.1");
        assert_eq!(Installation::in_dir(&dir), None, "pg_ctl is missing");
        create_program("pg_ctl", "99.1");
        let found = Installation::newest(dir.as_os_str()).unwrap();
        assert_eq!((found.major, &found.bin_dir), (99, &dir));
        assert_eq!(Installation::with_major(dir.as_os_str(), 99), Some(found));
        create_program("postgres", "12.9");
        assert_eq!(Installation::in_dir(&dir), None, "12 is too old");
        fs::remove_dir_all(dir).unwrap();
    }
}
