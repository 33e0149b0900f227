//! One private PostgreSQL cluster for the whole run, and one schema per test.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::{Connection, RunQueryDsl};
use rosterd::platform::db::migrate;
use rosterd::platform::db::private_cluster::{Cluster, ClusterOptions, Durability, MissingCluster};

/// The shared cluster. Its data directory is kept between runs; the server stops when the test process ends.
#[expect(
    clippy::disallowed_methods,
    reason = "the PostgreSQL programs are found through PATH"
)]
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let mut options = ClusterOptions::new(data_dir(), std::env::var_os("PATH").unwrap(), MissingCluster::Create);
        options.durability = Durability::Fast;
        options.max_connections = 400;
        options.stop_with_parent = true;
        // On a busy machine, the recovery after a killed run can take longer than one attempt waits.
        let open = || Cluster::open(&options, &|_| {});
        let cluster = open().or_else(|_| open()).unwrap();
        let mut conn = PgConnection::establish(&cluster.url()).unwrap();
        conn.batch_execute(
            "SELECT pg_advisory_lock(7); CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public; SELECT pg_advisory_unlock(7)",
        )
        .unwrap();
        cluster
    })
}

/// A directory that the PostgreSQL user can access. It is the same for every run of this checkout.
fn data_dir() -> PathBuf {
    let checkout = env!("CARGO_MANIFEST_DIR").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    std::env::temp_dir().join(format!("rosterd-tests{checkout}"))
}

/// A schema of one test, dropped when the value is dropped.
pub struct Schema {
    name: String,
}

impl Schema {
    /// Creates a schema and applies all migrations.
    pub fn new() -> Self {
        let schema = Self::empty();
        migrate::apply_unlocked(&mut schema.connect()).unwrap();
        schema
    }

    /// Creates a schema without tables.
    pub fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "test_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let mut conn = PgConnection::establish(&cluster().url()).unwrap();
        conn.batch_execute(&format!(
            "DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"
        ))
        .unwrap();
        Self { name }
    }

    /// A libpq URL whose `search_path` is this schema.
    pub fn url(&self) -> String {
        let url = cluster().url();
        let separator = if url.contains('?') { '&' } else { '?' };
        format!(
            "{url}{separator}options=-csearch_path%3D{}%2Cpublic",
            self.name
        )
    }

    /// A new connection.
    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url()).unwrap()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let mut conn = PgConnection::establish(&cluster().url()).unwrap();
        let _ = conn.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// The process id of the server process of this connection.
pub fn backend_pid(connection: &mut PgConnection) -> i32 {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
        "pg_backend_pid()",
    ))
    .get_result(connection)
    .unwrap()
}
