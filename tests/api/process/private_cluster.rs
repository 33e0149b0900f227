//! The private cluster against real PostgreSQL programs: who makes it, takes it over, stops it, and who cannot get in.
//! Opens no network port.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::{FileTypeExt, MetadataExt},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};
use rosterd::platform::db::cluster::{Cluster, ClusterError, Durability, Mode, Options, is_root};

/// The user `nobody` of every Linux.
const NOBODY: u32 = 65534;

/// A data folder of its own under the machine's folder for temporary files; removed at the end.
struct Scratch {
    folder: PathBuf,
    durability: Durability,
}

impl Scratch {
    fn new() -> Self {
        Self::named("")
    }

    /// For tests that kill the server.
    fn durable() -> Self {
        let mut scratch = Self::new();
        scratch.durability = Durability::Durable;
        scratch
    }

    fn named(suffix: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rosterd-cluster-{}-{number}{suffix}", std::process::id());
        Self::of(std::env::temp_dir().join(name))
    }

    fn of(folder: PathBuf) -> Self {
        Self {
            folder,
            durability: Durability::Fast,
        }
    }

    fn options(&self) -> Options {
        options(&self.folder, self.durability)
    }

    fn open(&self) -> Cluster {
        Cluster::open(&self.options(), &|_| ()).unwrap()
    }

    /// Opens the cluster, and returns what the progress said too.
    fn open_telling(&self) -> (Cluster, String) {
        let told = RefCell::new(Vec::new());
        let tell = |step: &str| told.borrow_mut().push(step.to_owned());
        let cluster = Cluster::open(&self.options(), &tell).unwrap();
        (cluster, told.into_inner().join("\n"))
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pgdata/postmaster.pid")
    }

    fn postmaster(&self) -> u32 {
        let text = fs::read_to_string(self.pid_file()).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.pid_file().exists() {
            drop(Cluster::open(&self.options(), &|_| ()));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn options(folder: &Path, durability: Durability) -> Options {
    #[expect(clippy::disallowed_methods, reason = "no config.rs here")]
    let path = std::env::var_os("PATH").unwrap();
    let mut options = Options::new(folder, path, Mode::CreateIfMissing);
    options.durability = durability;
    options
}

fn connect(cluster: &Cluster) -> PgConnection {
    PgConnection::establish(&cluster.url()).unwrap()
}

fn setting(connection: &mut PgConnection, name: &str) -> String {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let query = sql_query("SELECT current_setting($1) AS value").bind::<Text, _>(name);
    query.get_result::<Setting>(connection).unwrap().value
}

/// Writes one row that is acknowledged.
fn note(cluster: &Cluster) {
    connect(cluster)
        .batch_execute("CREATE TABLE IF NOT EXISTS notes (); INSERT INTO notes DEFAULT VALUES")
        .unwrap();
}

fn notes(cluster: &Cluster) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = sql_query("SELECT count(*) AS count FROM notes");
    query
        .get_result::<Count>(&mut connect(cluster))
        .unwrap()
        .count
}

/// Whether the process runs; one that only waits for its parent to look at it does not.
fn is_alive(pid: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    state.stdout.first().is_some_and(|state| *state != b'Z')
}

fn signal(pid: u32, name: &str) {
    let kill = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

fn kill_9(pid: u32) {
    signal(pid, "-KILL");
    until(|| !is_alive(pid));
}

/// Waits for what must come; the limit is far beyond anything real.
fn until(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it never happens"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// A process that ends with the test.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// One that uses a cluster, to be killed.
impl Helper {
    fn start(scratch: &Scratch, stop_with_parent: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "cluster::helper_process",
                "--ignored",
                "--nocapture",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.as_mut().unwrap();
        writeln!(stdin, "{stop_with_parent} {}", scratch.folder.display()).unwrap();
        Self(child)
    }

    fn until_open(mut self) -> Self {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.contains("cluster is open"))
        );
        self
    }

    fn kill_9(self) {
        drop(self);
    }
}

#[test]
#[ignore = "not a test: the process that other tests start and kill"]
fn helper_process() {
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).unwrap();
    let Some((stop_with_parent, folder)) = order.trim().split_once(' ') else {
        return;
    };
    let mut options = options(Path::new(folder), Durability::Fast);
    options.stop_with_parent = stop_with_parent == "true";
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    writeln!(std::io::stdout(), "cluster is open").unwrap();
    let _ = std::io::stdin().read_line(&mut order);
    drop(cluster);
}

#[test]
fn the_first_start_makes_a_durable_cluster_and_the_next_one_uses_it() {
    let scratch = Scratch::new();
    let mut options = scratch.options();
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
    note(&cluster);
    cluster.stop().unwrap();
    cluster.stop().unwrap();
    assert!(!scratch.pid_file().exists());

    let (cluster, told) = scratch.open_telling();
    assert!(told.starts_with("starting PostgreSQL "), "{told}");
    assert_eq!(notes(&cluster), 1);
    assert_eq!(
        setting(&mut connect(&cluster), "fsync"),
        "off",
        "Durability::Fast"
    );
}

#[test]
fn a_cluster_whose_owner_was_killed_is_taken_over() {
    let scratch = Scratch::new();
    let helper = Helper::start(&scratch, false).until_open();
    let postmaster = scratch.postmaster();
    helper.kill_9();
    assert!(is_alive(postmaster));

    let (mut cluster, told) = scratch.open_telling();
    assert_eq!(told, "", "nothing was made or started");
    assert_eq!(scratch.postmaster(), postmaster);
    note(&cluster);
    cluster.stop().unwrap();
    assert!(!is_alive(postmaster));
}

#[test]
fn a_postmaster_that_was_killed_is_started_again_with_all_that_was_acknowledged() {
    let scratch = Scratch::durable();
    let cluster = scratch.open();
    for round in 1..=5 {
        note(&cluster);
        let killed = scratch.postmaster();
        kill_9(killed);
        assert_eq!(notes(&scratch.open()), round);
        assert_ne!(scratch.postmaster(), killed);
    }
}

#[test]
fn a_start_waits_for_what_a_killed_postmaster_left() {
    let scratch = Scratch::durable();
    let cluster = scratch.open();
    note(&cluster);
    let mut connection = connect(&cluster);
    connection
        .batch_execute("SELECT set_config('rosterd.session', pg_backend_pid()::text, false)")
        .unwrap();
    let session = setting(&mut connection, "rosterd.session").parse().unwrap();
    // Stopped, it cannot see that its postmaster is gone, and keeps the shared memory.
    signal(session, "-STOP");
    kill_9(scratch.postmaster());
    thread::scope(|scope| {
        let next = scope.spawn(|| scratch.open());
        let log = || fs::read_to_string(scratch.folder.join("postgres.log")).unwrap();
        until(|| log().contains("pre-existing shared memory block"));
        signal(session, "-CONT");
        assert_eq!(notes(&next.join().unwrap()), 1);
    });
}

#[test]
fn a_stale_pid_that_belongs_to_another_process_by_now_fools_nobody() {
    let scratch = Scratch::durable();
    let mut cluster = scratch.open();
    note(&cluster);
    let pgdata = fs::metadata(scratch.folder.join("pgdata")).unwrap();
    let mut innocent = Command::new("sleep");
    innocent.arg("600");
    if is_root() {
        // PostgreSQL takes no notice of a number that belongs to another user's process.
        innocent.uid(pgdata.uid()).gid(pgdata.gid());
    }
    let innocent = Helper(innocent.stdout(Stdio::null()).spawn().unwrap());
    let pid_file = fs::read_to_string(scratch.pid_file()).unwrap();
    let lock_file = scratch.folder.join("socket/.s.PGSQL.5432.lock");
    let lock = fs::read_to_string(&lock_file).unwrap();
    let killed = scratch.postmaster();
    kill_9(killed);
    let reused = |text: &str| text.replacen(&killed.to_string(), &innocent.0.id().to_string(), 1);
    fs::write(scratch.pid_file(), reused(&pid_file)).unwrap();
    fs::write(&lock_file, reused(&lock)).unwrap();

    // Whoever stops a cluster that is gone must not stop the innocent.
    cluster.stop().unwrap();
    assert!(is_alive(innocent.0.id()));
    let next = scratch.open();
    assert_eq!(notes(&next), 1);
    assert!(is_alive(innocent.0.id()));
}

#[test]
fn a_server_whose_socket_was_cleaned_away_is_started_again() {
    let scratch = Scratch::new();
    let cluster = scratch.open();
    note(&cluster);
    let before = scratch.postmaster();
    fs::remove_dir_all(scratch.folder.join("socket")).unwrap();
    let next = scratch.open();
    assert_ne!(scratch.postmaster(), before);
    assert!(!is_alive(before));
    assert_eq!(notes(&next), 1);
}

#[test]
fn starts_at_once_make_one_cluster() {
    let scratch = Scratch::new();
    let opened: Vec<(Cluster, String)> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scratch.open_telling()))
            .collect();
        let opened = starts.into_iter().map(|start| start.join().unwrap());
        opened.collect()
    });
    let count = |word| {
        opened
            .iter()
            .filter(|(_, told)| told.contains(word))
            .count()
    };
    assert_eq!((count("creating"), count("starting")), (1, 1));
    for (cluster, _) in &opened {
        note(cluster);
    }
    assert_eq!(notes(&scratch.open()), 4);
}

#[test]
fn a_command_makes_no_cluster_and_leaves_nothing() {
    let scratch = Scratch::new();
    let mut options = scratch.options();
    options.mode = Mode::Existing;
    let error = || Cluster::open(&options, &|_| ()).unwrap_err().to_string();
    let expected = format!(
        "no database at {}: run `rosterd serve` once, or set DATABASE_URL",
        scratch.folder.display()
    );
    assert_eq!(error(), expected);
    assert!(!scratch.folder.exists());
    fs::create_dir(&scratch.folder).unwrap();
    assert_eq!(error(), expected);
    assert_eq!(scratch.entries(), [""; 0]);
}

#[test]
fn a_command_starts_an_existing_cluster() {
    let scratch = Scratch::new();
    scratch.open().stop().unwrap();
    let mut options = scratch.options();
    options.mode = Mode::Existing;
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    note(&cluster);
}

#[test]
fn the_last_one_out_stops_it() {
    let scratch = Scratch::new();
    let mut first = scratch.open();
    let helper = Helper::start(&scratch, false).until_open();
    let second = scratch.open();
    first.stop().unwrap();
    note(&second);
    drop(second);
    let postmaster = scratch.postmaster();
    assert!(is_alive(postmaster), "the helper uses it");
    helper.kill_9();
    scratch.open().stop().unwrap();
    assert!(!is_alive(postmaster));
}

#[test]
fn a_long_path_or_a_strange_one_is_no_obstacle() {
    let long = Scratch::named(&format!("-{}", "x".repeat(120)));
    let mut cluster = long.open();
    note(&cluster);
    let url = cluster.url();
    let host = url.split(['@', '/']).nth(3).unwrap().replace("%2F", "/");
    assert!(host.starts_with("/tmp/rosterd-"), "{host}");
    let found = fs::metadata(&host).unwrap();
    let pgdata = fs::metadata(long.folder.join("pgdata")).unwrap();
    assert_eq!((found.mode() & 0o777, found.uid()), (0o700, pgdata.uid()));
    cluster.stop().unwrap();
    assert!(!Path::new(&host).exists(), "nothing is left under /tmp");

    fs::create_dir(&host).unwrap();
    fs::set_permissions(&host, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = Cluster::open(&long.options(), &|_| ()).unwrap_err();
    assert!(matches!(error, ClusterError::NotPrivate { .. }), "{error}");
    fs::remove_dir(&host).unwrap();

    for strange in [" a'b\"%é$(x)`@?#\\", ",with a comma"] {
        note(&Scratch::named(strange).open());
    }
}

#[test]
fn a_start_that_was_killed_while_it_made_the_cluster_is_made_good() {
    let scratch = Scratch::new();
    let helper = Helper::start(&scratch, false);
    let half_made = || {
        let entries = fs::read_dir(&scratch.folder)
            .into_iter()
            .flatten()
            .flatten();
        let mut bases = entries.map(|entry| entry.path().join("base"));
        bases.any(|base| base.exists())
    };
    until(half_made);
    // Stopped, it outlives its parent for certain.
    let initdb = *processes_in(&scratch.folder).first().unwrap();
    signal(initdb, "-STOP");
    helper.kill_9();
    assert!(!scratch.folder.join("pgdata").exists());

    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let options = scratch.options();
        let open = move || Cluster::open(&options, &|step| tell.send(step.to_owned()).unwrap());
        let open = scope.spawn(move || open().unwrap());
        assert!(
            told.recv()
                .unwrap()
                .starts_with("waiting for another rosterd process")
        );
        signal(initdb, "-CONT");
        assert!(
            told.recv()
                .unwrap()
                .starts_with("creating the database cluster")
        );
        note(&open.join().unwrap());
    });
    let whole = [
        "password",
        "pgdata",
        "postgres.log",
        "start.lock",
        "users.lock",
    ];
    assert_eq!(scratch.entries(), whole);
}

#[test]
fn the_cluster_ends_with_the_last_parent_that_asked_for_it() {
    let scratch = Scratch::new();
    let first = Helper::start(&scratch, true).until_open();
    let second = Helper::start(&scratch, true).until_open();
    let postmaster = scratch.postmaster();
    first.kill_9();
    // The first one's watcher is the only process of its own that is left: it has looked when it is gone.
    until(|| watchers(&scratch) == 1);
    assert!(is_alive(postmaster), "the second one uses it");
    second.kill_9();
    until(|| !is_alive(postmaster));
    until(|| watchers(&scratch) == 0);
    assert!(!scratch.pid_file().exists());
}

#[test]
fn a_cluster_that_is_stopped_leaves_no_watcher() {
    let scratch = Scratch::new();
    let mut options = scratch.options();
    options.stop_with_parent = true;
    let mut cluster = Cluster::open(&options, &|_| ()).unwrap();
    assert_eq!(watchers(&scratch), 1);
    cluster.stop().unwrap();
    assert_eq!(watchers(&scratch), 0);
}

/// How many processes watch over this cluster. Nothing else that lasts works in the data folder itself.
fn watchers(scratch: &Scratch) -> usize {
    processes_in(&scratch.folder).len()
}

/// The processes that work in this folder.
fn processes_in(folder: &Path) -> Vec<u32> {
    let works_here = |process: &fs::DirEntry| {
        fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(works_here);
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}

#[test]
fn the_server_is_out_of_the_terminals_reach_and_holds_none_of_our_files() {
    let scratch = Scratch::new();
    let cluster = scratch.open();
    note(&cluster);
    let postmaster = scratch.postmaster().to_string();
    let ids = Command::new("ps")
        .args(["-o", "pgid=,sid=", "-p", &postmaster])
        .output()
        .unwrap();
    let ids = String::from_utf8(ids.stdout).unwrap();
    assert_eq!(
        ids.split_whitespace().collect::<Vec<_>>(),
        [&postmaster, &postmaster]
    );
    let process = Path::new("/proc").join(&postmaster);
    let opened = fs::read_dir(process.join("fd")).unwrap();
    let opened: Vec<_> = opened
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .collect();
    assert!(!opened.is_empty());
    assert!(
        opened
            .iter()
            .all(|path| path.extension().is_none_or(|end| end != "lock")),
        "{opened:?}"
    );
    assert_eq!(
        fs::read_link(process.join("fd/0")).unwrap(),
        Path::new("/dev/null")
    );
    let environment = fs::read_to_string(process.join("environ")).unwrap();
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[test]
fn every_file_is_private() {
    let scratch = Scratch::new();
    let cluster = scratch.open();
    let owner = fs::metadata(scratch.folder.join("pgdata")).unwrap().uid();
    assert_ne!(owner, 0, "PostgreSQL is not root");
    let top = fs::metadata(&scratch.folder).unwrap().mode() & 0o777;
    assert_eq!(top, if is_root() { 0o711 } else { 0o700 });
    assert_eq!(
        scratch.entries(),
        [
            "password",
            "pgdata",
            "postgres.log",
            "socket",
            "start.lock",
            "users.lock"
        ]
    );
    for name in scratch.entries() {
        let path = scratch.folder.join(&name);
        let found = fs::symlink_metadata(&path).unwrap();
        let expected = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            (found.mode() & 0o7777, found.uid()),
            (expected, owner),
            "{name}"
        );
    }
    let socket = fs::metadata(scratch.folder.join("socket/.s.PGSQL.5432")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!((socket.mode() & 0o777, socket.uid()), (0o700, owner));
    drop(cluster);
}

#[test]
fn nobody_gets_in_without_the_password_or_as_another_user() {
    let scratch = Scratch::new();
    let cluster = scratch.open();
    let url = cluster.url();
    let password = fs::read_to_string(scratch.folder.join("password")).unwrap();
    assert_eq!(password.len(), 32);
    assert!(url.contains(&password));
    assert!(!format!("{cluster:?}").contains(&password));

    let refused = |url: &str| PgConnection::establish(url).err().unwrap().to_string();
    assert!(refused(&url.replace(&password, "wrong")).contains("password authentication failed"));
    assert!(refused(&url.replace(&format!(":{password}"), "")).contains("no password supplied"));
    assert!(refused(&url.replace(&password, "")).contains("no password supplied"));

    // Only root can be another user.
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
        let owner = fs::metadata(scratch.folder.join("pgdata")).unwrap().uid();
        assert!(connect_as(owner).0, "the owner gets in with the password");
        let (success, said) = connect_as(NOBODY);
        assert!(!success && said.contains("Permission denied"), "{said}");
    }
}

#[test]
fn the_log_tells_no_values() {
    let scratch = Scratch::new();
    let cluster = scratch.open();
    let mut connection = connect(&cluster);
    connection
        .batch_execute("CREATE TABLE people (email text UNIQUE)")
        .unwrap();
    let add = "INSERT INTO people VALUES ('ada@example.org')";
    connection.batch_execute(add).unwrap();
    connection.batch_execute(add).unwrap_err();
    let log = fs::read_to_string(scratch.folder.join("postgres.log")).unwrap();
    assert!(log.contains("people_email_key"), "{log}");
    assert!(!log.contains("ada@example.org"), "{log}");
}

#[test]
fn another_users_file_in_the_folder_is_refused() {
    let scratch = Scratch::new();
    scratch.open().stop().unwrap();
    let elsewhere = scratch.folder.join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    let lock = scratch.folder.join("users.lock");
    let refusal = || Cluster::open(&scratch.options(), &|_| ()).unwrap_err();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
    assert!(matches!(refusal(), ClusterError::Io { .. }));
    if is_root() {
        fs::remove_file(&lock).unwrap();
        fs::write(&lock, "").unwrap();
        std::os::unix::fs::chown(&lock, Some(12345), None).unwrap();
        assert!(matches!(refusal(), ClusterError::Denied { .. }));
    }
}

#[test]
fn as_root_the_owner_of_the_folder_runs_the_server() {
    if !is_root() {
        // Then there is only one user to choose.
        return;
    }
    let scratch = Scratch::new();
    fs::create_dir(&scratch.folder).unwrap();
    std::os::unix::fs::chown(&scratch.folder, Some(NOBODY), Some(NOBODY)).unwrap();
    note(&scratch.open());
    for name in scratch.entries() {
        let found = fs::symlink_metadata(scratch.folder.join(&name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (NOBODY, NOBODY), "{name}");
    }
}

#[test]
fn a_folder_that_the_servers_user_cannot_pass_is_named() {
    if !is_root() {
        // Whoever can make the folder can pass it, and runs the server too.
        return;
    }
    let closed = Scratch::named("-closed");
    fs::create_dir(&closed.folder).unwrap();
    fs::set_permissions(
        &closed.folder,
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let inside = Scratch::of(closed.folder.join("a/b"));
    let error = Cluster::open(&inside.options(), &|_| ())
        .unwrap_err()
        .to_string();
    let expected = format!(
        "who cannot pass {0}: run `chmod o+x {0}`",
        closed.folder.display()
    );
    assert!(error.contains(&expected), "{error}");
    assert!(!error.contains('\n'));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let scratch = Scratch::new();
    scratch.open().stop().unwrap();
    fs::write(
        scratch.folder.join("pgdata/postgresql.auto.conf"),
        "no_such_setting = 1\n",
    )
    .unwrap();
    let error = Cluster::open(&scratch.options(), &|_| ()).unwrap_err();
    assert!(matches!(error, ClusterError::DidNotStart { .. }));
    assert!(error.to_string().contains("configuration file"), "{error}");
    assert!(!error.to_string().contains('\n'));

    fs::write(scratch.folder.join("pgdata/PG_VERSION"), "14\n").unwrap();
    let error = Cluster::open(&scratch.options(), &|_| ()).unwrap_err();
    assert!(
        matches!(error, ClusterError::NoProgramsOf { major: 14, .. }),
        "{error}"
    );
}
