//! What holds of every attack, whatever it is: the global assertions of the list of attacks, by their numbers there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Answer, TestApp};

/// What no answer says: words of the service's inside.
const INSIDE: [&str; 14] = [
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

impl Answer {
    /// Holds if the answer is no failure of the service (G1), says nothing of its inside (G2) and has the headers of what is
    /// nobody else's business (G6).
    #[track_caller]
    pub fn harmless(self) -> Self {
        assert!(self.status < 500, "{} {}", self.status, self.text);
        for inside in INSIDE {
            assert!(!self.text.contains(inside), "{inside} in {}", self.text);
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
    /// What a bare socket is answered until it is closed, for what no client library would send; empty when it was cut off.
    #[track_caller]
    pub fn raw(&self, request: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.addr).unwrap();
        let _ = socket.write_all(request);
        to_the_end(&mut socket)
    }

    /// Everything that the database holds but the audit log and the throttle, as one hash.
    pub fn state(&self) -> String {
        self.text(
            "SELECT md5(string_agg(table_name || query_to_xml( \
               format('SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %I t', table_name), true, false, '')::text, \
               chr(10) ORDER BY table_name)) \
             FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' \
               AND table_name !~ '^(audit|throttle)'",
        )
    }

    /// How many rows the audit log has.
    pub fn told(&self) -> i64 {
        self.number("SELECT count(*) FROM audit_events")
    }

    /// Makes this attack, and holds if it changed nothing (G3) and left this many rows in the audit log (G4).
    #[track_caller]
    pub fn withstand<T>(&self, told: i64, attack: impl FnOnce() -> T) -> T {
        let (state, before) = (self.state(), self.told());
        let outcome = attack();
        assert_eq!(self.state(), state, "it changed something");
        assert_eq!(self.told() - before, told, "rows in the audit log");
        outcome
    }

    /// Holds if this secret stands in no table (G5).
    #[track_caller]
    pub fn never_stored(&self, secret: &str) {
        let pattern = secret.replace('\'', "''");
        let found = self.text(&format!(
            "WITH ours AS MATERIALIZED (SELECT table_name FROM information_schema.tables \
               WHERE table_schema = current_schema() AND table_type = 'BASE TABLE') \
             SELECT coalesce(string_agg(table_name, ', '), '') FROM ours \
             WHERE query_to_xml(format('SELECT 1 FROM %I t WHERE strpos(t::text, %L) > 0', table_name, '{pattern}'), true, false, '')::text \
                 LIKE '%<row>%'"
        ));
        assert_eq!(found, "", "the secret is stored");
    }
}

/// Reads until the other side closes, which it has to.
#[track_caller]
pub fn to_the_end(socket: &mut TcpStream) -> String {
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut answer = Vec::new();
    match socket.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            panic!("the connection is held open")
        }
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

/// What a process holds of the machine (G7).
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// Resident memory, in KiB.
    pub memory: u64,
    /// Open files and sockets.
    pub files: usize,
}

impl Footprint {
    /// Of this process, now.
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

    /// Holds if the process comes back to this, give or take a few files and this much memory.
    #[track_caller]
    pub fn comes_back(&self, pid: u32, mebibytes: u64) {
        super::eventually(|| {
            let now = Self::of(pid);
            now.files <= self.files + 4 && now.memory <= self.memory + mebibytes * 1024
        });
    }
}
