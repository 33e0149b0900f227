//! `PgBouncer` in transaction mode, in front of the database of a test.

use std::process::Command;

use rosterd::platform::db::private_cluster::is_root;

use super::TestApp;
use super::programs::{ExternalProgram, find_program, free_port, program_directory};

/// What the pooler does with the start-up parameter `options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartupOptions {
    /// It accepts and ignores them (`ignore_startup_parameters`).
    Ignored,
    /// It refuses the connection.
    Refused,
}

/// A running pooler.
pub struct TransactionPooler {
    _program: ExternalProgram,
    port: u16,
}

impl TransactionPooler {
    /// Starts a pooler with at most `size` connections to the database of the app. `None` if it is not installed.
    pub fn start(app: &TestApp, size: u32, options: StartupOptions) -> Option<Self> {
        let program = find_program(&["/usr/sbin/pgbouncer", "pgbouncer"], "pgbouncer")?;
        let port = free_port();
        let directory = program_directory("pgbouncer", port);
        let url = app.url();
        let (credentials, rest) = url.split_once('@').unwrap();
        let (_, password) = credentials.rsplit_once(':').unwrap();
        // The host is a percent-encoded directory.
        let (host, _) = rest.split_once('/').unwrap();
        let host = url::Url::parse(&format!("x://x/?host={host}")).unwrap();
        let socket_directory = host.query_pairs().next().unwrap().1.into_owned();
        let ignored = match options {
            StartupOptions::Ignored => "extra_float_digits,options",
            StartupOptions::Refused => "extra_float_digits",
        };
        // The schema of a test is in the search path of the URL, which the pooler does not pass on.
        let config = format!(
            "[databases]\napp = host={socket_directory} port=5432 dbname={} user={} password={password} pool_size={size} \
             connect_query='SET search_path TO {}, public'\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\nignore_startup_parameters = {ignored}\n",
            app.query_text("SELECT current_database()"),
            app.query_text("SELECT current_user"),
            app.query_text("SELECT current_schema()"),
        );
        let file = directory.join("pgbouncer.ini");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        command.arg(file);
        if is_root() {
            command.args(["-u", "postgres"]);
        }
        Some(Self {
            _program: ExternalProgram::start(&mut command, directory, port),
            port,
        })
    }

    /// The URL of the database through the pooler.
    pub fn url(&self) -> String {
        format!("postgresql://any@127.0.0.1:{}/app", self.port)
    }
}
