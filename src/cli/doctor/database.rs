//! The checks of the database: server, role, schema, notifications and keys.

use chrono::TimeDelta;

use super::finding::{Finding, Verdict};
use super::service;
use crate::access::signing_keys::service as keys;
use crate::accounts::users;
use crate::cli::cli_error;
use crate::platform::config::{Config, SecretKey};
use crate::platform::crypto::Vault;
use crate::platform::data_source::DataSource;
use crate::platform::db::migrate::MigrationPlan;
use crate::platform::db::private_cluster::OLDEST_MAJOR;
use crate::platform::db::{Db, ServerInfo, check_delivery, missing_grants, server_info};
use crate::server;

pub fn check(config: &Config, data_source: &DataSource) -> Vec<Finding> {
    let plan = match data_source.migration_plan() {
        Ok(plan) => plan,
        Err(error) => return vec![Finding::new("database", Verdict::Wrong, error.to_string())],
    };
    let db = match server::connect_database(config, data_source.url()) {
        Ok(db) => db,
        Err(error) => {
            let detail = cli_error::describe(error);
            return vec![Finding::new("database", Verdict::Wrong, detail)];
        }
    };
    let mut findings = Vec::new();
    match db.read_now(server_info) {
        Ok(server) => {
            findings.extend([check_version(&server), check_clock(server.clock_offset)]);
            if server.is_superuser && !data_source.is_private() {
                findings.push(superuser_warning());
            }
        }
        Err(error) => {
            let detail = cli_error::describe(error);
            findings.push(Finding::new("database", Verdict::Wrong, detail));
        }
    }
    let schema = check_schema(&plan);
    let is_behind = schema.verdict == Verdict::Wrong;
    findings.push(schema);
    if !is_behind {
        findings.extend(check_grants(&db));
        findings.push(check_notifications(&db, data_source));
        findings.push(check_signing_keys(config, &db, data_source));
        findings.push(check_super_admins(&db));
        findings.push(service::check_registration(config, &db));
        findings.push(service::check_running(config, &db));
    }
    findings
}

fn check_schema(plan: &MigrationPlan) -> Finding {
    match (plan.pending.len(), plan.unknown.len()) {
        (0, 0) => Finding::new("schema", Verdict::Ok, "up to date"),
        (0, _) => Finding::new(
            "schema",
            Verdict::Warning,
            "created by a later release of rosterd",
        ),
        (pending, _) => Finding::new(
            "schema",
            Verdict::Wrong,
            format!("{pending} migrations behind: run `rosterd db migrate`"),
        ),
    }
}

fn check_version(server: &ServerInfo) -> Finding {
    let version = format!("PostgreSQL {}", server.version);
    if i64::from(server.major) >= i64::from(OLDEST_MAJOR) {
        Finding::new("database", Verdict::Ok, version)
    } else {
        let detail = format!("{version} is too old: {OLDEST_MAJOR} or later is required");
        Finding::new("database", Verdict::Wrong, detail)
    }
}

fn superuser_warning() -> Finding {
    Finding::new(
        "database role",
        Verdict::Warning,
        "the role is a superuser: use one that only owns the database or has the grants of the operating guide",
    )
}

/// Tokens are issued and verified on different clocks, with a tolerance of 30 seconds.
fn check_clock(offset: TimeDelta) -> Finding {
    let verdict = match offset.abs().num_seconds() {
        0 => Verdict::Ok,
        1..10 => Verdict::Warning,
        _ => Verdict::Wrong,
    };
    let direction = if offset < TimeDelta::zero() {
        "behind"
    } else {
        "ahead of"
    };
    let detail = format!(
        "the database clock is {} ms {direction} this machine",
        offset.abs().num_milliseconds()
    );
    Finding::new("clock", verdict, detail)
}

/// What the role of the service lacks. Nothing to check if the role owns the tables.
fn check_grants(db: &Db) -> Option<Finding> {
    const CHECK: &str = "database grants";
    match db.read_now(missing_grants) {
        Ok(None) => None,
        Ok(Some(missing)) if missing.is_empty() => Some(Finding::new(
            CHECK,
            Verdict::Ok,
            "the role has what it needs",
        )),
        Ok(Some(missing)) => {
            let detail = format!(
                "missing: {}; repeat the grants of the operating guide as the owner of the tables",
                missing.join(", ")
            );
            Some(Finding::new(CHECK, Verdict::Wrong, detail))
        }
        Err(error) => {
            let detail = cli_error::describe(error);
            Some(Finding::new(CHECK, Verdict::Wrong, detail))
        }
    }
}

/// Whether this machine receives the notifications on which replicas drop cached values.
fn check_notifications(db: &Db, data_source: &DataSource) -> Finding {
    const CHECK: &str = "notifications";
    let is_delivered = db
        .table_schema()
        .and_then(|schema| check_delivery(data_source.url(), data_source.listen_url(), &schema));
    let problem = match is_delivered {
        Ok(true) => return Finding::new(CHECK, Verdict::Ok, "change notifications arrive"),
        Ok(false) => "change notifications do not arrive".to_owned(),
        Err(error) => cli_error::describe(error),
    };
    let detail = format!(
        "{problem}: every request reads its caller from the database; \
         connect to PostgreSQL without a pooler, or set ROSTERD_DB_LISTEN_URL to a URL that does"
    );
    Finding::new(CHECK, Verdict::Wrong, detail)
}

fn check_signing_keys(config: &Config, db: &Db, data_source: &DataSource) -> Finding {
    const CHECK: &str = "signing keys";
    let previous_key = config.secret_key_previous.as_ref().map(SecretKey::expose);
    let count = Vault::with_previous(data_source.secret_key(), previous_key)
        .and_then(|vault| db.read_now(|tx| keys::count_readable(tx, &vault)));
    match count {
        Ok(0) => Finding::new(
            CHECK,
            Verdict::Warning,
            "there is none yet: the first start of the service creates one",
        ),
        Ok(count) => Finding::new(CHECK, Verdict::Ok, format!("{count} can be decrypted")),
        Err(error) => Finding::new(CHECK, Verdict::Wrong, cli_error::describe(error)),
    }
}

fn check_super_admins(db: &Db) -> Finding {
    const CHECK: &str = "super admins";
    match db.read_now(users::service::count_permanent_super_admins) {
        Ok(0) => Finding::new(
            CHECK,
            Verdict::Wrong,
            "there is no active SuperAdmin without expiry: run `rosterd users add NAME --superadmin`",
        ),
        Ok(count) => Finding::new(CHECK, Verdict::Ok, format!("{count} can sign in")),
        Err(error) => Finding::new(CHECK, Verdict::Wrong, cli_error::describe(error)),
    }
}
