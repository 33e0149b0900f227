//! `rosterd doctor`: checks the settings, the database and the keys, and changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;
use url::Url;

use super::output::{self, Column, FormatFlags, TableRow};
use super::{CliError, cli_error, print_stderr};
use crate::access::signing_keys::service as keys;
use crate::accounts::users;
use crate::platform::config::{Config, SecretKey, has_loopback_host};
use crate::platform::crypto::Vault;
use crate::platform::data_source::DataSource;
use crate::platform::db::migrate::MigrationPlan;
use crate::platform::db::private_cluster::{MissingCluster, OLDEST_MAJOR};
use crate::platform::db::{Db, ServerInfo, check_delivery, server_info};
use crate::server;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd doctor
  rosterd doctor --json

The exit status is 1 if a check fails; warnings do not count.")]
pub struct DoctorArgs {
    #[command(flatten)]
    format: FormatFlags,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Ok,
    Warning,
    Wrong,
}

/// One line of the output.
#[derive(Serialize)]
struct Finding {
    verdict: Verdict,
    check: &'static str,
    detail: String,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            check,
            detail: detail.into(),
        }
    }
}

pub fn run(args: &DoctorArgs) -> Result<(), CliError> {
    let findings = run_checks();
    output::list(args.format, &findings)?;
    let is_wrong = |finding: &&Finding| finding.verdict == Verdict::Wrong;
    match findings.iter().filter(is_wrong).count() {
        0 => Ok(()),
        1 => Err(CliError::Failed("1 check failed".to_owned())),
        count => Err(CliError::Failed(format!("{count} checks failed"))),
    }
}

/// Runs the checks in order. A check depends on those before it, so some failures end the run.
fn run_checks() -> Vec<Finding> {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return vec![Finding::new("settings", Verdict::Wrong, error.to_string())],
    };
    let mut findings = check_settings(&config);
    let mut data_source = match DataSource::open(&config, MissingCluster::Fail, &print_stderr) {
        Ok(data_source) => data_source,
        Err(error) => {
            findings.push(Finding::new("database", Verdict::Wrong, error.to_string()));
            return findings;
        }
    };
    if let Some(path) = data_source.key_file() {
        let (verdict, detail) = check_secret_file(path, Verdict::Wrong);
        findings.push(Finding::new("secret file", verdict, detail));
    }
    findings.extend(check_database(&config, &data_source));
    if let Err(error) = data_source.close() {
        findings.push(Finding::new("database", Verdict::Wrong, error.to_string()));
    }
    findings
}

fn check_settings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.warnings.is_empty() {
        findings.push(Finding::new("settings", Verdict::Ok, "all are valid"));
    }
    for warning in &config.warnings {
        findings.push(Finding::new("settings", Verdict::Warning, warning.clone()));
    }
    let (verdict, detail) = check_public_url(&config.public_url);
    findings.push(Finding::new("public url", verdict, detail));
    for path in &config.secret_files {
        let (verdict, detail) = check_secret_file(path, Verdict::Warning);
        findings.push(Finding::new("secret file", verdict, detail));
    }
    findings
}

fn check_database(config: &Config, data_source: &DataSource) -> Vec<Finding> {
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
        findings.push(check_notifications(&db, data_source));
        findings.push(check_signing_keys(config, &db, data_source));
        findings.push(check_super_admins(&db));
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

fn check_public_url(text: &str) -> (Verdict, String) {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => (Verdict::Ok, text.to_owned()),
        Ok(url) if has_loopback_host(&url) => (
            Verdict::Warning,
            format!(
                "{text} is reachable from this machine only: set ROSTERD_PUBLIC_URL to the URL that callers use"
            ),
        ),
        _ => (
            Verdict::Wrong,
            format!("{text} is not https: passwords and tokens would be sent unencrypted"),
        ),
    }
}

fn check_secret_file(path: &Path, if_readable_by_others: Verdict) -> (Verdict, String) {
    const GROUP_AND_OTHERS: u32 = 0o077;
    let path_text = path.display();
    match std::fs::metadata(path).map(|file| file.permissions().mode() & 0o777) {
        Ok(mode) if (mode & GROUP_AND_OTHERS) == 0 => {
            (Verdict::Ok, format!("{path_text} has mode {mode:o}"))
        }
        Ok(mode) => (
            if_readable_by_others,
            format!(
                "{path_text} has mode {mode:o}, readable by other users: run chmod 600 {path_text}"
            ),
        ),
        Err(error) => (Verdict::Wrong, format!("{path_text}: {error}")),
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

/// Whether this machine receives the notifications on which replicas drop cached values.
fn check_notifications(db: &Db, data_source: &DataSource) -> Finding {
    const CHECK: &str = "notifications";
    let is_delivered = db
        .table_schema()
        .and_then(|schema| check_delivery(data_source.url(), &schema));
    let problem = match is_delivered {
        Ok(true) => return Finding::new(CHECK, Verdict::Ok, "change notifications arrive"),
        Ok(false) => "change notifications do not arrive".to_owned(),
        Err(error) => cli_error::describe(error),
    };
    let detail = format!(
        "{problem}: every request reads its caller from the database; \
         connect to PostgreSQL directly or through a pooler in session mode"
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

impl TableRow for Finding {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("verdict", "", |finding| match finding.verdict {
            Verdict::Ok => "ok".into(),
            Verdict::Warning => "warning".into(),
            Verdict::Wrong => "WRONG".into(),
        }),
        Column::shown("check", "CHECK", |finding| finding.check.into()),
        Column::shown("detail", "FOUND", |finding| (&finding.detail).into()),
    ];
}
