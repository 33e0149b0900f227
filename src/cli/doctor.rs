//! `rosterd doctor`: looks for what keeps the service from working well. It changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;
use url::{Host, Url};

use super::output::{self, Column, FormFlags, Row};
use super::{Failure, tell};
use crate::access::authentication::keys;
use crate::accounts::users;
use crate::platform::config::Config;
use crate::platform::crypto::Vault;
use crate::platform::data_source::DataSource;
use crate::platform::db::cluster::{Mode, OLDEST_MAJOR};
use crate::platform::db::{Db, ServerInfo, about};
use crate::server;

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd doctor
  rosterd doctor --json

The exit status is 1 when something is wrong; a warning is not.")]
pub struct Arguments {
    #[command(flatten)]
    form: FormFlags,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Ok,
    Warning,
    Wrong,
}

/// What a check found.
#[derive(Serialize)]
struct Finding {
    verdict: Verdict,
    check: &'static str,
    detail: String,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut findings = Vec::new();
    examine(&mut findings);
    output::list(arguments.form, &findings)?;
    let is_wrong = |finding: &&Finding| finding.verdict == Verdict::Wrong;
    match findings.iter().filter(is_wrong).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed("one thing is wrong".to_owned())),
        count => Err(Failure::Failed(format!("{count} things are wrong"))),
    }
}

/// Each check relies on those before it, so the first that can't be passed ends them.
fn examine(found: &mut Vec<Finding>) {
    let mut note = |verdict, check, detail: String| {
        found.push(Finding {
            verdict,
            check,
            detail,
        });
    };
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return note(Verdict::Wrong, "settings", error.to_string()),
    };
    if config.warnings.is_empty() {
        note(Verdict::Ok, "settings", "all are understood".to_owned());
    }
    for warning in &config.warnings {
        note(Verdict::Warning, "settings", warning.clone());
    }
    let (verdict, detail) = public_url(&config.public_url);
    note(verdict, "public url", detail);
    for path in &config.machine.secret_files {
        let (verdict, detail) = secret_file(path, Verdict::Warning);
        note(verdict, "secret file", detail);
    }
    let mut place = match DataSource::open(&config, Mode::Existing, &tell) {
        Ok(place) => place,
        Err(error) => return note(Verdict::Wrong, "database", error.to_string()),
    };
    if let Some(path) = place.key_file() {
        let (verdict, detail) = secret_file(path, Verdict::Wrong);
        note(verdict, "secret file", detail);
    }
    for (check, verdict, detail) in in_the_database(&config, &place) {
        note(verdict, check, detail);
    }
    if let Err(error) = place.close() {
        note(Verdict::Wrong, "database", error.to_string());
    }
}

type Noted = (&'static str, Verdict, String);

fn in_the_database(config: &Config, place: &DataSource) -> Vec<Noted> {
    let mut noted = Vec::new();
    let plan = match place.plan() {
        Ok(plan) => plan,
        Err(error) => return vec![("database", Verdict::Wrong, error.to_string())],
    };
    let db = match server::database(config, place.url()) {
        Ok(db) => db,
        Err(error) => return vec![("database", Verdict::Wrong, super::failure::sentence(error))],
    };
    match db.read_now(about) {
        Ok(server) => noted.extend([version(&server), clock(server.clock_ahead)]),
        Err(error) => noted.push(("database", Verdict::Wrong, super::failure::sentence(error))),
    }
    match (plan.pending.len(), plan.unknown.len()) {
        (0, 0) => noted.push(("schema", Verdict::Ok, "up to date".to_owned())),
        (0, _) => noted.push((
            "schema",
            Verdict::Warning,
            "of a later release of rosterd".to_owned(),
        )),
        (count, _) => {
            let detail = format!("{count} migrations behind: run `rosterd db migrate`");
            noted.push(("schema", Verdict::Wrong, detail));
            return noted;
        }
    }
    noted.push(signing_keys(&db, place));
    noted.push(super_admins(&db));
    noted
}

fn public_url(text: &str) -> (Verdict, String) {
    let is_local = |url: &Url| match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => (Verdict::Ok, text.to_owned()),
        Ok(url) if is_local(&url) => (
            Verdict::Warning,
            format!(
                "{text} is good on this machine only: set ROSTERD_PUBLIC_URL to what callers see"
            ),
        ),
        _ => (
            Verdict::Wrong,
            format!("{text} is not https: passwords and tokens travel in the clear"),
        ),
    }
}

fn secret_file(path: &Path, when_open: Verdict) -> (Verdict, String) {
    const FOR_OTHERS: u32 = 0o077;
    let shown = path.display();
    match std::fs::metadata(path).map(|file| file.permissions().mode() & 0o777) {
        Ok(mode) if (mode & FOR_OTHERS) == 0 => (Verdict::Ok, format!("{shown} has mode {mode:o}")),
        Ok(mode) => (
            when_open,
            format!("{shown} has mode {mode:o}, others can read it: chmod 600 {shown}"),
        ),
        Err(error) => (Verdict::Wrong, format!("{shown}: {error}")),
    }
}

fn version(server: &ServerInfo) -> Noted {
    let named = format!("PostgreSQL {}", server.version);
    if i64::from(server.major) >= i64::from(OLDEST_MAJOR) {
        ("database", Verdict::Ok, named)
    } else {
        let detail = format!("{named} is too old: {OLDEST_MAJOR} or later is needed");
        ("database", Verdict::Wrong, detail)
    }
}

/// Tokens are made by one clock and verified by others, with up to 30 seconds of grace.
fn clock(ahead: TimeDelta) -> Noted {
    let verdict = match ahead.abs().num_seconds() {
        0 => Verdict::Ok,
        1..10 => Verdict::Warning,
        _ => Verdict::Wrong,
    };
    let direction = if ahead < TimeDelta::zero() {
        "behind"
    } else {
        "ahead of"
    };
    let detail = format!(
        "the database's is {} ms {direction} this machine's",
        ahead.abs().num_milliseconds()
    );
    ("clock", verdict, detail)
}

fn signing_keys(db: &Db, place: &DataSource) -> Noted {
    const CHECK: &str = "signing keys";
    let opened = Vault::new(place.secret_key())
        .and_then(|vault| db.read_now(|tx| keys::count_readable(tx, &vault)));
    match opened {
        Ok(0) => (
            CHECK,
            Verdict::Warning,
            "there is none yet: the first start of the service makes one".to_owned(),
        ),
        Ok(count) => (CHECK, Verdict::Ok, format!("{count} can be decrypted")),
        Err(error) => (CHECK, Verdict::Wrong, super::failure::sentence(error)),
    }
}

fn super_admins(db: &Db) -> Noted {
    const CHECK: &str = "super admins";
    match db.read_now(users::service::lasting_super_admins) {
        Ok(0) => (
            CHECK,
            Verdict::Wrong,
            "none can sign in for good: `rosterd users add NAME --superadmin` makes one".to_owned(),
        ),
        Ok(count) => (CHECK, Verdict::Ok, format!("{count} can sign in")),
        Err(error) => (CHECK, Verdict::Wrong, super::failure::sentence(error)),
    }
}

impl Row for Finding {
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
