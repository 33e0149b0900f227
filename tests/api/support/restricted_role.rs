//! A PostgreSQL role with only the grants that `docs/operate.md` gives the service.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::TestApp;
use super::programs::guide_code_block;

/// A restricted role, dropped with the value.
pub struct RestrictedRole {
    pub name: String,
    /// The libpq URL of the test's schema for this role.
    pub url: String,
    superuser: PgConnection,
}

impl RestrictedRole {
    /// Creates the role with the SQL of the guide.
    pub fn create(app: &TestApp) -> Self {
        let schema = app.query_text("SELECT current_schema()");
        let name = format!("{schema}_app");
        let sql = guide_code_block("operate.md", "A separate database role", "sql");
        assert!(sql.contains("SCHEMA public") && sql.contains("rosterd_app"));
        let sql = sql
            .replace("SCHEMA public", &format!("SCHEMA {schema}"))
            .replace("rosterd_app", &name);
        let mut superuser = PgConnection::establish(&superuser_url(&app.url())).unwrap();
        superuser
            .batch_execute(&format!("DROP ROLE IF EXISTS {name}; {sql}"))
            .unwrap();
        Self {
            url: with_credentials(&app.url(), &format!("{name}:choose%20one")),
            name,
            superuser,
        }
    }
}

/// The URL for the cluster's superuser, who has the same password.
pub fn superuser_url(url: &str) -> String {
    url.replacen("postgresql://rosterd:", "postgresql://postgres:", 1)
}

/// The same URL with other credentials, given as `user:password`.
fn with_credentials(url: &str, credentials: &str) -> String {
    let (_, host_and_path) = url.split_once('@').unwrap();
    format!("postgresql://{credentials}@{host_and_path}")
}

impl Drop for RestrictedRole {
    fn drop(&mut self) {
        let name = &self.name;
        let sql = format!("DROP OWNED BY {name}; DROP ROLE {name}");
        let _ = self.superuser.batch_execute(&sql);
    }
}
