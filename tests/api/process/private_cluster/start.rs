//! Creating and starting a cluster.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use rosterd::platform::db::private_cluster::{Cluster, ClusterError, Durability, MissingCluster};

use super::{ClusterDir, connect, count_rows, insert_row, setting};

#[test]
fn first_start_creates_a_durable_cluster_and_the_next_start_uses_it() {
    let dir = ClusterDir::new();
    let mut options = dir.options();
    options.durability = Durability::Durable;
    options.max_connections = 37;
    let mut cluster = Cluster::open(&options, &|_| ()).unwrap();
    let mut connection = connect(&cluster);
    for (name, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", ""),
        ("max_connections", "37"),
        ("is_superuser", "off"),
        ("session_authorization", "rosterd"),
    ] {
        assert_eq!(setting(&mut connection, name), value, "{name}");
    }
    for statement in ["CREATE EXTENSION citext", "CREATE DATABASE other"] {
        connection.batch_execute(statement).unwrap();
    }
    PgConnection::establish(&cluster.url_for("other")).unwrap();
    insert_row(&cluster);
    cluster.stop().unwrap();
    cluster.stop().unwrap();
    assert!(!dir.pid_file().exists());

    let (cluster, progress) = dir.open_with_progress();
    assert!(progress.starts_with("starting PostgreSQL "), "{progress}");
    assert_eq!(count_rows(&cluster), 1);
    assert_eq!(
        setting(&mut connect(&cluster), "fsync"),
        "off",
        "Durability::Fast"
    );
}

#[test]
fn command_does_not_create_a_cluster() {
    let dir = ClusterDir::new();
    let mut options = dir.options();
    options.mode = MissingCluster::Fail;
    let error = || Cluster::open(&options, &|_| ()).unwrap_err().to_string();
    let expected = format!(
        "no database at {}: run `rosterd serve` once, or set DATABASE_URL",
        dir.path.display()
    );
    assert_eq!(error(), expected);
    assert!(!dir.path.exists());
    fs::create_dir(&dir.path).unwrap();
    assert_eq!(error(), expected);
    assert_eq!(dir.entries(), [""; 0]);
}

#[test]
fn command_starts_an_existing_cluster() {
    let dir = ClusterDir::new();
    dir.open().stop().unwrap();
    let mut options = dir.options();
    options.mode = MissingCluster::Fail;
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    insert_row(&cluster);
}

#[test]
fn long_paths_and_special_characters_work() {
    let long = ClusterDir::with_suffix(&format!("-{}", "x".repeat(120)));
    let mut cluster = long.open();
    insert_row(&cluster);
    let url = cluster.url();
    let host = url.split(['@', '/']).nth(3).unwrap().replace("%2F", "/");
    assert!(host.starts_with("/tmp/rosterd-"), "{host}");
    let metadata = fs::metadata(&host).unwrap();
    let pgdata = fs::metadata(long.path.join("pgdata")).unwrap();
    assert_eq!(
        (metadata.mode() & 0o777, metadata.uid()),
        (0o700, pgdata.uid())
    );
    cluster.stop().unwrap();
    assert!(
        !Path::new(&host).exists(),
        "the socket directory is removed"
    );

    fs::create_dir(&host).unwrap();
    fs::set_permissions(&host, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = Cluster::open(&long.options(), &|_| ()).unwrap_err();
    assert!(matches!(error, ClusterError::NotPrivate { .. }), "{error}");
    fs::remove_dir(&host).unwrap();

    for suffix in [" a'b\"%é$(x)`@?#\\", ",with a comma"] {
        insert_row(&ClusterDir::with_suffix(suffix).open());
    }
}

#[test]
fn failed_start_reports_the_reason_in_one_line() {
    let dir = ClusterDir::new();
    dir.open().stop().unwrap();
    fs::write(
        dir.path.join("pgdata/postgresql.auto.conf"),
        "no_such_setting = 1\n",
    )
    .unwrap();
    let error = Cluster::open(&dir.options(), &|_| ()).unwrap_err();
    assert!(matches!(error, ClusterError::DidNotStart { .. }));
    assert!(error.to_string().contains("configuration file"), "{error}");
    assert!(!error.to_string().contains('\n'));

    fs::write(dir.path.join("pgdata/PG_VERSION"), "14\n").unwrap();
    let error = Cluster::open(&dir.options(), &|_| ()).unwrap_err();
    assert!(
        matches!(error, ClusterError::VersionNotInstalled { major: 14, .. }),
        "{error}"
    );
}
