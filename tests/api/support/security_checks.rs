//! Assertions that every security test makes, whatever the attack. `SECURITY: G1` to `G7` name the general rules.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Response, TestApp};

/// Text that would reveal implementation details in a response.
const INTERNAL_WORDS: [&str; 14] = [
    "diesel",
    "postgres",
    "PostgreSQL",
    "SELECT ",
    "INSERT ",
    "relation ",
    "panicked",
    "src/",
    ".rs:",
    "argon2",
    "serde",
    "actix",
    "stack backtrace",
    "thread '",
];

impl Response {
    /// Asserts that the response is not a 5xx (SECURITY: G1), reveals no internals and is a well-formed problem
    /// (SECURITY: G2), and has the security headers (SECURITY: G6).
    #[track_caller]
    pub fn expect_safe(self) -> Self {
        assert!(self.status < 500, "{} {}", self.status, self.text);
        for word in INTERNAL_WORDS {
            assert!(!self.text.contains(word), "{word} in {}", self.text);
        }
        if self.status >= 400 {
            assert_eq!(self.header("content-type"), "application/problem+json");
            let code = self.body["code"].as_str().unwrap();
            assert_eq!(self.body["type"], format!("urn:rosterd:problem:{code}"));
            assert_eq!(self.body["status"], self.status);
        }
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        for absent in ["set-cookie", "access-control-allow-origin", "server"] {
            assert_eq!(self.header(absent), "", "{absent}");
        }
        self
    }
}

impl TestApp {
    /// Sends bytes over a plain socket, for requests that no client library would send. Returns everything received
    /// until the server closes the connection; empty if the connection was reset.
    #[track_caller]
    pub fn send_raw(&self, request: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.addr).unwrap();
        let _ = socket.write_all(request);
        read_until_closed(&mut socket)
    }

    /// A hash of all tables except the audit log, the rate limits and the heartbeats of the replicas.
    pub fn database_hash(&self) -> String {
        self.query_text(
            "SELECT md5(string_agg(table_name || query_to_xml( \
               format('SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %I t', table_name), true, false, '')::text, \
               chr(10) ORDER BY table_name)) \
             FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' \
               AND table_name !~ '^(audit|rate_limit|replicas)'",
        )
    }

    /// The number of rows in the audit log.
    pub fn audit_row_count(&self) -> i64 {
        self.query_number("SELECT count(*) FROM audit_events")
    }

    /// Runs `attack` and asserts that it changed nothing (SECURITY: G3) and added `audit_rows` rows to the audit log
    /// (SECURITY: G4).
    #[track_caller]
    pub fn expect_unchanged<T>(&self, audit_rows: i64, attack: impl FnOnce() -> T) -> T {
        let (hash, rows) = (self.database_hash(), self.audit_row_count());
        let outcome = attack();
        assert_eq!(self.database_hash(), hash, "the database changed");
        assert_eq!(
            self.audit_row_count() - rows,
            audit_rows,
            "rows in the audit log"
        );
        outcome
    }

    /// Asserts that no table contains this secret (SECURITY: G5).
    #[track_caller]
    pub fn expect_not_stored(&self, secret: &str) {
        let pattern = secret.replace('\'', "''");
        let found = self.query_text(&format!(
            "WITH ours AS MATERIALIZED (SELECT table_name FROM information_schema.tables \
               WHERE table_schema = current_schema() AND table_type = 'BASE TABLE') \
             SELECT coalesce(string_agg(table_name, ', '), '') FROM ours \
             WHERE query_to_xml(format('SELECT 1 FROM %I t WHERE strpos(t::text, %L) > 0', table_name, '{pattern}'), true, false, '')::text \
                 LIKE '%<row>%'"
        ));
        assert_eq!(found, "", "the secret is stored");
    }
}

/// Reads until the server closes the connection. Panics if it stays open.
#[track_caller]
pub fn read_until_closed(socket: &mut TcpStream) -> String {
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut response = Vec::new();
    match socket.read_to_end(&mut response) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            panic!("the connection is still open")
        }
        _ => String::from_utf8_lossy(&response).into_owned(),
    }
}

/// The resources that a process uses (SECURITY: G7).
#[derive(Clone, Copy, Debug)]
pub struct ProcessUsage {
    /// Resident memory, in KiB.
    pub memory: u64,
    /// Open file descriptors.
    pub files: usize,
}

impl ProcessUsage {
    /// The current usage of this process.
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        Self {
            memory: memory
                .unwrap()
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .unwrap(),
            files: files.count(),
        }
    }

    /// Waits until the process is back at this usage, with a tolerance of four descriptors and this much memory.
    #[track_caller]
    pub fn expect_return_to_baseline(&self, pid: u32, mebibytes: u64) {
        super::wait_until(|| {
            let current = Self::of(pid);
            current.files <= self.files + 4 && current.memory <= self.memory + mebibytes * 1024
        });
    }
}
