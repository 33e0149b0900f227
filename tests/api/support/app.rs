//! The service on a port of its own, in this process.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use rosterd::access::passwords::{Hasher, HasherOptions, Password};
use rosterd::app_state::AppState;
use rosterd::platform::config::Config;
use rosterd::platform::db::{Db, DbOptions};
use rosterd::server;
use serde_json::{Value, json};

use super::{Call, Cli, MailServer, Schema};

/// A password that the policy accepts; every test account has it unless told otherwise.
pub const PASSWORD: &str = "seven green lanterns at noon";

/// The hash of [`PASSWORD`], made once for each run.
fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let hasher = Hasher::start(HasherOptions::default()).unwrap();
        hasher
            .hash_now(Password::new(PASSWORD.to_owned()))
            .unwrap()
            .as_str()
            .to_owned()
    })
}

/// An account of a test.
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub username: String,
}

impl User {
    /// Where it is, and what is below it: `user.at("")`, `user.at("/status")`.
    pub fn at(&self, below: &str) -> String {
        format!("/api/v1/users/{}{below}", self.id)
    }
}

/// The service, with a schema of its own.
pub struct TestApp {
    /// `http://127.0.0.1:port`.
    pub base: String,
    pub addr: SocketAddr,
    schema: std::sync::Arc<Schema>,
    settings: BTreeMap<String, String>,
    agent: ureq::Agent,
    server: Option<(ServerHandle, JoinHandle<()>)>,
}

impl TestApp {
    /// Starts the service on a fresh schema.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts it with these settings besides.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let settings = settings
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        Self::on(std::sync::Arc::new(Schema::new()), settings)
    }

    /// The service with a mail server, and settings besides.
    pub fn with_mail(settings: &[(&str, &str)]) -> (Self, MailServer) {
        let server = MailServer::start();
        let url = server.url();
        let mut all = vec![
            ("ROSTERD_SMTP_URL", url.as_str()),
            ("ROSTERD_MAIL_FROM", "Accounts <id@example.org>"),
        ];
        all.extend(settings);
        (Self::with(&all), server)
    }

    /// Starts another replica on the same database.
    pub fn replica(&self) -> Self {
        Self::on(self.schema.clone(), self.settings.clone())
    }

    /// Starts another replica on the same database, with these settings besides.
    pub fn replica_with(&self, settings: &[(&str, &str)]) -> Self {
        let mut all = self.settings.clone();
        let texts = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        all.extend(settings.iter().map(texts));
        Self::on(self.schema.clone(), all)
    }

    fn on(schema: std::sync::Arc<Schema>, settings: BTreeMap<String, String>) -> Self {
        let mut vars: BTreeMap<String, String> = [
            ("DATABASE_URL", schema.url().as_str()),
            ("ROSTERD_SECRET_KEY", &"5a".repeat(32)),
            ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
            ("ROSTERD_DB_POOL_SIZE", "12"),
            ("ROSTERD_WORKERS", "2"),
            ("ROSTERD_HASH_QUEUE_MS", "30000"),
            ("ROSTERD_DB_ACQUIRE_MS", "20000"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        vars.extend(settings.clone());
        let config = Config::from_vars(vars, &|_| panic!("no file is read")).unwrap();
        let key = *config.secret_key.as_ref().unwrap().expose();
        let url = config.database_url.as_ref().unwrap().expose().to_owned();
        let app = AppState::new(&config, &url, &key).unwrap();
        app.listen(&url).unwrap();
        app.send_mail().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            System::new().block_on(async move {
                let server = server::serve(app, &config, listener).unwrap();
                tell.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .build()
            .into();
        Self {
            base: format!("http://{addr}"),
            addr,
            schema,
            settings,
            agent,
            server: Some((told.recv().unwrap(), thread)),
        }
    }

    /// The command line of this service's machine.
    pub fn cli(&self) -> Cli {
        Cli::new(self.settings_for_the_binary())
    }

    pub fn call(&self, method: &str, path: &str) -> Call {
        self.call_at(&self.base, method, path)
    }

    /// A call by way of a proxy that listens there.
    pub fn call_at(&self, base: &str, method: &str, path: &str) -> Call {
        Call::new(&self.agent, method, &format!("{base}{path}"))
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub fn patch(&self, path: &str) -> Call {
        self.call("PATCH", path)
    }

    pub fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// Makes an account of this role straight in the database, with [`PASSWORD`] and these direct grants.
    pub fn user(&self, username: &str, role: &str, permissions: &[&str]) -> User {
        let id = uuid::Uuid::now_v7();
        let mut permissions: Vec<&str> = permissions.to_vec();
        permissions.sort_unstable();
        diesel::sql_query(
            "INSERT INTO users (id, username, role, permissions, password_hash, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, now(), now())",
        )
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<diesel::sql_types::Text, _>(username)
        .bind::<diesel::sql_types::Text, _>(role)
        .bind::<diesel::sql_types::Array<diesel::sql_types::Text>, _>(permissions)
        .bind::<diesel::sql_types::Text, _>(password_hash())
        .execute(&mut self.sql())
        .unwrap();
        User {
            id: id.to_string(),
            username: username.to_owned(),
        }
    }

    /// Signs in with [`PASSWORD`]: the whole `data` of the answer.
    pub fn sign_in(&self, username: &str) -> Value {
        let body = json!({"username": username, "password": PASSWORD});
        self.post("/api/v1/auth/login")
            .json(&body)
            .send()
            .expect(200)
            .data()
            .clone()
    }

    /// The access token of a new session.
    pub fn token(&self, username: &str) -> String {
        self.sign_in(username)["accessToken"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// An account of this role and a token of it. The username is made up.
    pub fn someone(&self, role: &str, permissions: &[&str]) -> (User, String) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let username = format!(
            "{}-{}",
            role.to_lowercase(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let user = self.user(&username, role, permissions);
        let token = self.token(&username);
        (user, token)
    }

    /// The token of a `SuperAdmin`.
    pub fn super_admin(&self) -> String {
        self.someone("SuperAdmin", &[]).1
    }

    /// The database as the service's own functions take it.
    pub fn db(&self) -> Db {
        Db::connect(&DbOptions {
            url: self.schema.url(),
            size: 2,
            acquire: Duration::from_secs(20),
            statement: Duration::from_secs(20),
        })
        .unwrap()
    }

    /// What the real binary needs to work on the same database.
    pub fn settings_for_the_binary(&self) -> Vec<(String, String)> {
        super::binary::on(&self.schema)
    }

    /// How libpq reaches the test's schema.
    pub fn url(&self) -> String {
        self.schema.url()
    }

    /// A connection to the test's schema.
    pub fn sql(&self) -> PgConnection {
        self.schema.connect()
    }

    /// Runs SQL in the test's schema.
    pub fn execute(&self, sql: &str) {
        self.sql().batch_execute(sql).unwrap();
    }

    /// Forgets all failed guesses: for tests of what is answered to many of them, and not of how many there may be.
    pub fn forget_failures(&self) {
        self.execute("DELETE FROM throttle_tallies; DELETE FROM throttle_sources");
    }

    /// Adds a role of one's own straight to the database.
    pub fn role(&self, name: &str, rank: i32, permissions: &[&str]) {
        diesel::sql_query("INSERT INTO roles (name, rank, permissions) VALUES ($1, $2, $3)")
            .bind::<diesel::sql_types::Text, _>(name)
            .bind::<diesel::sql_types::Integer, _>(rank)
            .bind::<diesel::sql_types::Array<diesel::sql_types::Text>, _>(permissions)
            .execute(&mut self.sql())
            .unwrap();
    }

    /// One text that SQL gives.
    pub fn text(&self, sql: &str) -> String {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(&format!(
            "({sql})::text"
        )))
        .get_result(&mut self.sql())
        .unwrap()
    }

    /// One number that SQL gives.
    pub fn number(&self, sql: &str) -> i64 {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&format!(
            "({sql})::bigint"
        )))
        .get_result(&mut self.sql())
        .unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.server.take() {
            drop(handle.stop(false));
            let _ = thread.join();
        }
    }
}
