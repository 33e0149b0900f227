//! A role of its own for the service, with the grants that docs/operate.md gives it.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::TestApp;
use super::proxy::snippet;

/// The role, until it is dropped.
pub struct OwnRole {
    pub name: String,
    /// How libpq reaches the test's schema as this role.
    pub url: String,
    owner: PgConnection,
}

impl OwnRole {
    /// Makes it and grants it what the guide says.
    pub fn grant(app: &TestApp) -> Self {
        let schema = app.text("SELECT current_schema()");
        let name = format!("{schema}_app");
        let sql = snippet("operate.md", "A role of its own for the service", "sql");
        assert!(sql.contains("SCHEMA public") && sql.contains("rosterd_app"));
        let sql = sql
            .replace("SCHEMA public", &format!("SCHEMA {schema}"))
            .replace("rosterd_app", &name);
        let mut owner = PgConnection::establish(&superuser(&app.url())).unwrap();
        owner
            .batch_execute(&format!("DROP ROLE IF EXISTS {name}; {sql}"))
            .unwrap();
        Self {
            url: of(&app.url(), &format!("{name}:choose%20one")),
            name,
            owner,
        }
    }
}

/// The superuser of the run's cluster, which has the same password.
fn superuser(url: &str) -> String {
    url.replacen("postgresql://rosterd:", "postgresql://postgres:", 1)
}

/// The same place for somebody else.
fn of(url: &str, who: &str) -> String {
    let (_, place) = url.split_once('@').unwrap();
    format!("postgresql://{who}@{place}")
}

impl Drop for OwnRole {
    fn drop(&mut self) {
        let name = &self.name;
        let gone = format!("DROP OWNED BY {name}; DROP ROLE {name}");
        let _ = self.owner.batch_execute(&gone);
    }
}
