//! Permissions of files and processes, and who can connect.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use rosterd::platform::db::private_cluster::{Cluster, ClusterError, is_root};

use super::{ClusterDir, NOBODY, connect, insert_row};

#[test]
fn server_has_its_own_session_and_no_inherited_files_or_environment() {
    let dir = ClusterDir::new();
    let cluster = dir.open();
    insert_row(&cluster);
    let postmaster = dir.postmaster_pid().to_string();
    let ids = Command::new("ps")
        .args(["-o", "pgid=,sid=", "-p", &postmaster])
        .output()
        .unwrap();
    let ids = String::from_utf8(ids.stdout).unwrap();
    assert_eq!(
        ids.split_whitespace().collect::<Vec<_>>(),
        [&postmaster, &postmaster]
    );
    let proc_dir = Path::new("/proc").join(&postmaster);
    let open_files = fs::read_dir(proc_dir.join("fd")).unwrap();
    let open_files: Vec<_> = open_files
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .collect();
    assert!(!open_files.is_empty());
    assert!(
        open_files
            .iter()
            .all(|path| path.extension().is_none_or(|end| end != "lock")),
        "{open_files:?}"
    );
    assert_eq!(
        fs::read_link(proc_dir.join("fd/0")).unwrap(),
        Path::new("/dev/null")
    );
    let environment = fs::read_to_string(proc_dir.join("environ")).unwrap();
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[test]
fn every_file_is_private_to_its_owner() {
    let dir = ClusterDir::new();
    let cluster = dir.open();
    let owner = fs::metadata(dir.path.join("pgdata")).unwrap().uid();
    assert_ne!(owner, 0, "PostgreSQL does not run as root");
    let directory_mode = fs::metadata(&dir.path).unwrap().mode() & 0o777;
    assert_eq!(directory_mode, if is_root() { 0o711 } else { 0o700 });
    assert_eq!(
        dir.entries(),
        [
            "password",
            "pgdata",
            "postgres.log",
            "socket",
            "start.lock",
            "users.lock"
        ]
    );
    for name in dir.entries() {
        let path = dir.path.join(&name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            (metadata.mode() & 0o7777, metadata.uid()),
            (expected, owner),
            "{name}"
        );
    }
    let socket = fs::metadata(dir.path.join("socket/.s.PGSQL.5432")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!((socket.mode() & 0o777, socket.uid()), (0o700, owner));
    drop(cluster);
}

#[test]
fn connections_need_the_password_and_the_owners_user() {
    let dir = ClusterDir::new();
    let cluster = dir.open();
    let url = cluster.url();
    let password = fs::read_to_string(dir.path.join("password")).unwrap();
    assert_eq!(password.len(), 32);
    assert!(url.contains(&password));
    assert!(!format!("{cluster:?}").contains(&password));

    let connection_error = |url: &str| PgConnection::establish(url).err().unwrap().to_string();
    assert!(
        connection_error(&url.replace(&password, "wrong"))
            .contains("password authentication failed")
    );
    assert!(
        connection_error(&url.replace(&format!(":{password}"), ""))
            .contains("no password supplied")
    );
    assert!(connection_error(&url.replace(&password, "")).contains("no password supplied"));

    // Only root can start a process as another user.
    if is_root() {
        let connect_as = |uid: u32| {
            let mut psql = Command::new("psql");
            psql.args([&url, "-c", "SELECT 1"])
                .uid(uid)
                .gid(uid)
                .current_dir("/");
            let output = psql.output().unwrap();
            (
                output.status.success(),
                String::from_utf8(output.stderr).unwrap(),
            )
        };
        let owner = fs::metadata(dir.path.join("pgdata")).unwrap().uid();
        assert!(
            connect_as(owner).0,
            "the owner can connect with the password"
        );
        let (success, stderr) = connect_as(NOBODY);
        assert!(!success && stderr.contains("Permission denied"), "{stderr}");
    }
}

#[test]
fn log_contains_no_column_values() {
    let dir = ClusterDir::new();
    let cluster = dir.open();
    let mut connection = connect(&cluster);
    connection
        .batch_execute("CREATE TABLE people (email text UNIQUE)")
        .unwrap();
    let add = "INSERT INTO people VALUES ('ada@example.org')";
    connection.batch_execute(add).unwrap();
    connection.batch_execute(add).unwrap_err();
    let log = fs::read_to_string(dir.path.join("postgres.log")).unwrap();
    assert!(log.contains("people_email_key"), "{log}");
    assert!(!log.contains("ada@example.org"), "{log}");
}

#[test]
fn lock_file_that_is_a_link_or_belongs_to_another_user_is_refused() {
    let dir = ClusterDir::new();
    dir.open().stop().unwrap();
    let elsewhere = dir.path.join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    let lock = dir.path.join("users.lock");
    let open_error = || Cluster::open(&dir.options(), &|_| ()).unwrap_err();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
    assert!(matches!(open_error(), ClusterError::Io { .. }));
    if is_root() {
        fs::remove_file(&lock).unwrap();
        fs::write(&lock, "").unwrap();
        std::os::unix::fs::chown(&lock, Some(12345), None).unwrap();
        assert!(matches!(open_error(), ClusterError::Denied { .. }));
    }
}

#[test]
fn as_root_the_server_runs_as_the_owner_of_the_directory() {
    if !is_root() {
        // Without root there is only one user.
        return;
    }
    let dir = ClusterDir::new();
    fs::create_dir(&dir.path).unwrap();
    std::os::unix::fs::chown(&dir.path, Some(NOBODY), Some(NOBODY)).unwrap();
    insert_row(&dir.open());
    for name in dir.entries() {
        let metadata = fs::symlink_metadata(dir.path.join(&name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY), "{name}");
    }
}

#[test]
fn inaccessible_parent_directory_is_named_in_the_error() {
    if !is_root() {
        // Needs root: only then does the server run as another user, who may be unable to enter the directory.
        return;
    }
    let closed = ClusterDir::with_suffix("-closed");
    fs::create_dir(&closed.path).unwrap();
    fs::set_permissions(
        &closed.path,
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let inside = ClusterDir::at(closed.path.join("a/b"));
    let error = Cluster::open(&inside.options(), &|_| ())
        .unwrap_err()
        .to_string();
    let expected = format!(
        "who cannot enter {0}: run `chmod o+x {0}`",
        closed.path.display()
    );
    assert!(error.contains(&expected), "{error}");
    assert!(!error.contains('\n'));
}
