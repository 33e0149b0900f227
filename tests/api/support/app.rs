//! The service running inside the test process, on its own port and database schema.

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
use rosterd::platform::config::Config;
use rosterd::platform::db::{Db, DbOptions};
use rosterd::platform::metrics::Metrics;
use rosterd::server;
use serde_json::{Value, json};

use super::{Cli, MailServer, RequestBuilder, Schema};

/// A password that the password policy accepts. Test accounts have it by default.
pub const PASSWORD: &str = "seven green lanterns at noon";

/// The hash of [`PASSWORD`], computed once per run.
pub fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let hasher = Hasher::start(HasherOptions::default()).unwrap();
        hasher
            .hash_blocking(Password::new(PASSWORD.to_owned()))
            .unwrap()
            .as_str()
            .to_owned()
    })
}

/// An account created by a test.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub id: String,
    pub username: String,
}

impl TestUser {
    /// The URL path of the account or of a sub-resource: `user.path("")`, `user.path("/status")`.
    pub fn path(&self, suffix: &str) -> String {
        format!("/api/v1/users/{}{suffix}", self.id)
    }
}

/// The service on its own port, with its own database schema. It stops when dropped.
pub struct TestApp {
    /// `http://127.0.0.1:port`.
    pub base: String,
    pub addr: SocketAddr,
    schema: std::sync::Arc<Schema>,
    settings: BTreeMap<String, String>,
    agent: ureq::Agent,
    metrics: Metrics,
    server: Option<(ServerHandle, JoinHandle<()>)>,
}

impl TestApp {
    /// Starts the service on a new schema.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the service on a new schema, with additional settings.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let settings = settings
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        Self::start_on(std::sync::Arc::new(Schema::new()), settings)
    }

    /// Starts the service with an SMTP server that records messages, and additional settings.
    pub fn start_with_mail(settings: &[(&str, &str)]) -> (Self, MailServer) {
        let server = MailServer::start();
        let url = server.url();
        let mut all = vec![
            ("ROSTERD_SMTP_URL", url.as_str()),
            ("ROSTERD_MAIL_FROM", "Accounts <id@example.org>"),
        ];
        all.extend(settings);
        (Self::start_with(&all), server)
    }

    /// Starts another replica on the same schema.
    pub fn start_replica(&self) -> Self {
        Self::start_on(self.schema.clone(), self.settings.clone())
    }

    /// Starts another replica on the same schema, with additional settings.
    pub fn start_replica_with(&self, settings: &[(&str, &str)]) -> Self {
        let mut all = self.settings.clone();
        let to_owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        all.extend(settings.iter().map(to_owned));
        Self::start_on(self.schema.clone(), all)
    }

    fn start_on(schema: std::sync::Arc<Schema>, settings: BTreeMap<String, String>) -> Self {
        let mut vars: BTreeMap<String, String> = [
            ("DATABASE_URL", schema.url().as_str()),
            ("ROSTERD_SECRET_KEY", super::SECRET_KEY),
            ("ROSTERD_PUBLIC_URL", "https://id.example.org"),
            ("ROSTERD_DB_POOL_SIZE", "12"),
            ("ROSTERD_WORKERS", "2"),
            ("ROSTERD_HASH_QUEUE_MS", "30000"),
            ("ROSTERD_DB_ACQUIRE_MS", "20000"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        vars.extend(settings.clone());
        let config = Config::from_vars(vars, &|_| panic!("the tests configure no files")).unwrap();
        let key = *config.secret_key.as_ref().unwrap().expose();
        let url = config.database_url.as_ref().unwrap().expose().to_owned();
        let app = server::build_app_state(&config, &url, &key).unwrap();
        let listen_url = config
            .db_listen_url
            .as_ref()
            .map_or(url.clone(), |url| url.expose().to_owned());
        server::start_workers(&app, &url, &listen_url).unwrap();
        let metrics = app.metrics.clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (handle_sender, handle_receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            System::new().block_on(async move {
                let (server, _) = server::start_http_server(app, &config, listener).unwrap();
                handle_sender.send(server.handle()).unwrap();
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
            metrics,
            server: Some((handle_receiver.recv().unwrap(), thread)),
        }
    }

    /// The `rosterd` command line, configured for the same database.
    pub fn cli(&self) -> Cli {
        Cli::new(self.binary_settings())
    }

    /// A request to this replica.
    pub fn call(&self, method: &str, path: &str) -> RequestBuilder {
        self.request_via(&self.base, method, path)
    }

    /// A request to a proxy at this base URL, such as `http://127.0.0.1:8000`.
    pub fn request_via(&self, base: &str, method: &str, path: &str) -> RequestBuilder {
        RequestBuilder::new(&self.agent, method, &format!("{base}{path}"))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.call("POST", path)
    }

    pub fn patch(&self, path: &str) -> RequestBuilder {
        self.call("PATCH", path)
    }

    pub fn put(&self, path: &str) -> RequestBuilder {
        self.call("PUT", path)
    }

    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.call("DELETE", path)
    }

    /// Inserts an account into the database, with this role, these direct grants and [`PASSWORD`].
    pub fn create_user(&self, username: &str, role: &str, permissions: &[&str]) -> TestUser {
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
        TestUser {
            id: id.to_string(),
            username: username.to_owned(),
        }
    }

    /// Signs in with [`PASSWORD`] and returns the `data` member of the response.
    pub fn sign_in(&self, username: &str) -> Value {
        let body = json!({"username": username, "password": PASSWORD});
        self.post("/api/v1/auth/login")
            .json(&body)
            .send()
            .expect(200)
            .data()
            .clone()
    }

    /// Signs in with [`PASSWORD`] and returns the access token.
    pub fn token(&self, username: &str) -> String {
        self.sign_in(username)["accessToken"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Creates an account with a unique username and signs it in. Returns the account and its access token.
    pub fn create_signed_in_user(&self, role: &str, permissions: &[&str]) -> (TestUser, String) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let username = format!(
            "{}-{}",
            role.to_lowercase(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let user = self.create_user(&username, role, permissions);
        let token = self.token(&username);
        (user, token)
    }

    /// Creates a `SuperAdmin` and returns its access token.
    pub fn super_admin_token(&self) -> String {
        self.create_signed_in_user("SuperAdmin", &[]).1
    }

    /// A connection pool on the schema, for tests that call service functions directly.
    pub fn db(&self) -> Db {
        Db::connect(&DbOptions {
            url: self.schema.url(),
            pool_size: 2,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            prepared: rosterd::platform::db::PreparedStatements::default(),
        })
        .unwrap()
    }

    /// The settings with which the `rosterd` binary uses the same database.
    pub fn binary_settings(&self) -> Vec<(String, String)> {
        super::binary::database_settings(&self.schema)
    }

    /// The libpq URL of the schema.
    pub fn url(&self) -> String {
        self.schema.url()
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.render();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().parse().unwrap()
    }

    /// A new connection to the schema.
    pub fn sql(&self) -> PgConnection {
        self.schema.connect()
    }

    /// Runs SQL statements in the schema.
    pub fn execute(&self, sql: &str) {
        self.sql().batch_execute(sql).unwrap();
    }

    /// Deletes the counters of failed sign-ins, for tests that make more attempts than the rate limits allow.
    pub fn clear_rate_limits(&self) {
        self.execute("DELETE FROM rate_limit_counters; DELETE FROM rate_limit_sources");
    }

    /// Inserts a custom role into the database.
    pub fn create_role(&self, name: &str, rank: i32, permissions: &[&str]) {
        diesel::sql_query("INSERT INTO roles (name, rank, permissions) VALUES ($1, $2, $3)")
            .bind::<diesel::sql_types::Text, _>(name)
            .bind::<diesel::sql_types::Integer, _>(rank)
            .bind::<diesel::sql_types::Array<diesel::sql_types::Text>, _>(permissions)
            .execute(&mut self.sql())
            .unwrap();
    }

    /// The result of a SQL query with one row and one column, as text.
    pub fn query_text(&self, sql: &str) -> String {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(&format!(
            "({sql})::text"
        )))
        .get_result(&mut self.sql())
        .unwrap()
    }

    /// The result of a SQL query with one row and one column, as an integer.
    pub fn query_number(&self, sql: &str) -> i64 {
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
