//! Finds the machine's own PostgreSQL programs. Refuses versions that are too old; runs nothing but `--version` and `--bindir`.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The oldest major version whose programs are used.
pub const OLDEST_MAJOR: u32 = 13;

/// Where packagers put one folder per version: the parent, how the folder's name begins, and where in it the programs are.
const PACKAGED: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];

/// One installed version: the folder that has `postgres`, `initdb` and `pg_ctl`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Programs {
    pub major: u32,
    folder: PathBuf,
}

impl Programs {
    /// The newest that is installed.
    pub fn newest(search_path: &OsStr) -> Option<Self> {
        installed(search_path).pop_last()
    }

    /// Those of one major version, for data that this version made.
    pub fn of_major(search_path: &OsStr, major: u32) -> Option<Self> {
        let mut programs = installed(search_path);
        programs.retain(|found| found.major == major);
        programs.pop_last()
    }

    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// The programs beside `folder/postgres`, seen through symbolic links such as `/usr/local/bin/postgres`.
    fn in_folder(folder: &Path) -> Option<Self> {
        let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
        let folder = postgres.parent()?.to_path_buf();
        let complete = ["initdb", "pg_ctl"].map(|program| folder.join(program).is_file());
        let said = Command::new(&postgres).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&said.stdout))?;
        (complete == [true; 2] && major >= OLDEST_MAJOR).then_some(Self { major, folder })
    }
}

/// The first `program` on the search path. Relative entries of the path are passed over.
pub(super) fn on_path(search_path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn installed(search_path: &OsStr) -> BTreeSet<Programs> {
    let on_path = env::split_paths(search_path).filter(|folder| folder.is_absolute());
    let packaged = PACKAGED
        .iter()
        .flat_map(|(parent, prefix, bin)| versions_in(Path::new(parent), prefix, bin));
    on_path
        .chain(named_by_pg_config(search_path))
        .chain(packaged)
        .filter_map(|folder| Programs::in_folder(&folder))
        .collect()
}

fn named_by_pg_config(search_path: &OsStr) -> Option<PathBuf> {
    let pg_config = on_path(search_path, "pg_config")?;
    let said = Command::new(pg_config).arg("--bindir").output().ok()?;
    Some(OsString::from_vec(said.stdout.trim_ascii().to_vec()).into())
}

fn versions_in(parent: &Path, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(bin))
        .collect()
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; `17beta1` counts as 17.
fn major_of(version_line: &str) -> Option<u32> {
    let number = version_line.split_whitespace().nth(2)?;
    let end = number.find(|c: char| !c.is_ascii_digit());
    number.get(..end.unwrap_or(number.len()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_major_version_is_read_from_every_packagers_line() {
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
            assert_eq!(major_of(line), major, "{line:?}");
        }
    }

    #[test]
    fn a_folder_counts_only_if_it_is_complete_and_not_too_old() {
        let folder = env::temp_dir().join(format!("rosterd-programs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let folder = fs::canonicalize(folder).unwrap();
        let program = |name: &str, version: &str| {
            let path = folder.join(name);
            fs::write(
                &path,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        program("postgres", "99.1");
        program("initdb", "99.1");
        assert_eq!(Programs::in_folder(&folder), None, "pg_ctl is missing");
        program("pg_ctl", "99.1");
        let found = Programs::newest(folder.as_os_str()).unwrap();
        assert_eq!((found.major, &found.folder), (99, &folder));
        assert_eq!(Programs::of_major(folder.as_os_str(), 99), Some(found));
        program("postgres", "12.9");
        assert_eq!(Programs::in_folder(&folder), None, "12 is too old");
        fs::remove_dir_all(folder).unwrap();
    }
}
