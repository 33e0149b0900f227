//! Several replicas on one database: revokes a credential on one of them and uses it on all of them right after the answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kinds::Kind;
use crate::support::{RequestBuilder, Response};

/// The replicas, their database and the token of a `SuperAdmin`.
pub struct Replicas {
    bases: Vec<String>,
    database_url: String,
    admin: String,
    agent: ureq::Agent,
}

/// A request, and the token with which it is sent.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub token: Option<String>,
    pub json: Option<Value>,
    pub form: Option<String>,
}

impl Call {
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            token: None,
            json: None,
            form: None,
        }
    }

    pub fn bearer(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn json(mut self, body: Value) -> Self {
        self.json = Some(body);
        self
    }

    pub fn form(mut self, form: String) -> Self {
        self.form = Some(form);
        self
    }
}

/// A credential in use, and the request that revokes it.
pub struct Target {
    /// Succeeds until the revocation.
    pub probe: Call,
    /// The status of the probe after the revocation.
    pub refused_with: u16,
    pub revocation: Call,
}

/// An account with a session.
pub struct SignedInUser {
    pub id: Uuid,
    pub session: Uuid,
    pub access_token: String,
    pub refresh_token: String,
}

/// What the replicas answered.
#[derive(Default)]
pub struct Tally {
    revocations: AtomicUsize,
    refused: AtomicUsize,
    unavailable: AtomicUsize,
    accepted: Mutex<Vec<String>>,
}

impl Tally {
    /// The number of revocations that were answered.
    pub fn revocations(&self) -> usize {
        self.revocations.load(Ordering::Relaxed)
    }

    /// The numbers, for the output of a long test.
    pub fn summary(&self) -> String {
        format!(
            "{} revocations, then {} requests refused, {} unavailable, {} accepted",
            self.revocations(),
            self.refused.load(Ordering::Relaxed),
            self.unavailable.load(Ordering::Relaxed),
            self.accepted.lock().unwrap().len()
        )
    }

    #[track_caller]
    pub fn assert_none_accepted(&self) {
        let accepted = self.accepted.lock().unwrap().join("\n");
        assert!(accepted.is_empty(), "{}:\n{accepted}", self.summary());
    }
}

impl Replicas {
    pub fn new(bases: Vec<String>, database_url: &str, admin: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        Self {
            bases,
            database_url: database_url.to_owned(),
            admin,
            agent,
        }
    }

    /// A new connection to the database, when it is up.
    pub fn connect(&self) -> PgConnection {
        loop {
            match PgConnection::establish(&self.database_url) {
                Ok(connection) => return connection,
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn request(&self, base: &str, call: &Call) -> RequestBuilder {
        let mut request =
            RequestBuilder::new(&self.agent, call.method, &format!("{base}{}", call.path));
        // The number of revoked tokens that one source may use is limited.
        request = request.header("X-Forwarded-For", &random_address());
        if let Some(token) = &call.token {
            request = request.bearer(token);
        }
        match (&call.json, &call.form) {
            (Some(body), _) => request.json(body),
            (None, Some(form)) => request.body("application/x-www-form-urlencoded", form.as_str()),
            (None, None) => request,
        }
    }

    /// The response of a replica, chosen at random. `None` if it is not 2xx, for example during an outage.
    pub fn send(&self, call: &Call) -> Option<Response> {
        let index = usize::from(Uuid::new_v4().as_bytes()[0]) % self.bases.len();
        let response = self.request(&self.bases[index], call).try_send()?;
        (200..300).contains(&response.status).then_some(response)
    }

    /// [`Replicas::send`] as the `SuperAdmin`.
    pub fn send_as_admin(&self, call: &Call) -> Option<Response> {
        self.send(&call.clone().bearer(&self.admin))
    }

    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Inserts an account with a session into the database, and gets its access token with the refresh token: no password
    /// is hashed.
    pub fn create_signed_in_user(
        &self,
        role: &str,
        permissions: &[&str],
        password_hash: Option<&str>,
    ) -> Option<SignedInUser> {
        let id = Uuid::now_v7();
        let permissions = permissions.join(",");
        let hash = password_hash.map_or("NULL".to_owned(), |hash| format!("'{hash}'"));
        let sql = format!(
            "INSERT INTO users (id, username, role, permissions, password_hash, created_at, updated_at) \
             VALUES ('{id}', 'u{}', '{role}', '{{{permissions}}}', {hash}, now(), now())",
            id.simple()
        );
        self.connect().batch_execute(&sql).ok()?;
        self.add_session(id)
    }

    /// Inserts another session of the account.
    pub fn add_session(&self, user: Uuid) -> Option<SignedInUser> {
        let session = Uuid::now_v7();
        let token = format!("rst_rt_{}", Uuid::new_v4().simple());
        let sql = format!(
            "INSERT INTO sessions (id, user_id, created_at, last_seen_at, idle_timeout_seconds, expires_at, ip, rotated_at) \
             VALUES ('{session}', '{user}', now(), now(), 86400, now() + interval '7 days', '127.0.0.1', now()); \
             INSERT INTO refresh_tokens (digest, session_id, generation) VALUES (sha256('{token}'), '{session}', 0)"
        );
        self.connect().batch_execute(&sql).ok()?;
        let body = json!({"refreshToken": token});
        let refreshed = self.send(&Call::new("POST", "/api/v1/auth/refresh").json(body))?;
        let member = |name: &str| refreshed.data()[name].as_str().unwrap().to_owned();
        Some(SignedInUser {
            id: user,
            session,
            access_token: member("accessToken"),
            refresh_token: member("refreshToken"),
        })
    }

    /// Uses the credential on all replicas so that they cache it. `None` if one of them could not be reached.
    pub fn warm_up(&self, probe: &Call) -> Option<()> {
        for base in &self.bases {
            let response = self.request(base, probe).try_send()?;
            (response.status == 200).then_some(())?;
        }
        Some(())
    }

    /// Prepares a credential, revokes it on one replica, and uses it on all replicas right after the answer. Repeats this
    /// until a revocation was answered.
    pub fn revoke_one(&self, kind: &Kind, tally: &Tally) {
        // A restart of the database can take minutes on a busy machine.
        for _ in 0..3000 {
            if self.try_revoke(kind, tally).is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{}: no revocation was answered", kind.name);
    }

    fn try_revoke(&self, kind: &Kind, tally: &Tally) -> Option<()> {
        let target = (kind.prepare)(self)?;
        self.warm_up(&target.probe)?;
        self.send(&target.revocation)?;
        tally.revocations.fetch_add(1, Ordering::Relaxed);
        self.probe_all(kind.name, &target, tally);
        Some(())
    }

    /// Uses the credential twice on each replica, on all of them at the same time.
    pub fn probe_all(&self, name: &str, target: &Target, tally: &Tally) {
        thread::scope(|scope| {
            for (index, base) in self.bases.iter().enumerate() {
                scope.spawn(move || {
                    for _ in 0..2 {
                        let response = self.request(base, &target.probe).try_send();
                        let status = response.map_or(503, |response| response.status);
                        tally.record(name, index, status, target.refused_with);
                    }
                });
            }
        });
    }
}

/// An address for the service behind a trusted proxy.
fn random_address() -> String {
    let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
    format!("10.{a}.{b}.{c}")
}

impl Tally {
    fn record(&self, kind: &str, replica: usize, status: u16, refused_with: u16) {
        if status == refused_with {
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else if status >= 500 {
            self.unavailable.fetch_add(1, Ordering::Relaxed);
        } else {
            let line = format!("{kind}: replica {replica} answered {status}");
            self.accepted.lock().unwrap().push(line);
        }
    }

    /// Counts a revocation from the command line.
    pub fn count_revocation(&self) {
        self.revocations.fetch_add(1, Ordering::Relaxed);
    }
}
