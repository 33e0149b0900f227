//! The checks of what surrounds the database: mail, registration, the disk and the running service.

use std::net::SocketAddr;
use std::path::Path;

use super::finding::{Finding, Verdict};
use crate::access::replicas;
use crate::accounts::invites;
use crate::cli::{cli_error, health, loopback_if_unspecified};
use crate::mail;
use crate::platform::config::{Config, Registration};
use crate::platform::db::Db;

/// Below this share of the disk, or this many bytes, PostgreSQL should get more space.
const LOW_PERCENT: u64 = 10;
const LOW_BYTES: u64 = 1 << 30;
/// Below this, writes will fail soon.
const FULL_BYTES: u64 = 100 << 20;

/// Whether the mail server accepts the connection and the credentials; `None` if no mail server is configured.
pub fn check_mail(config: &Config) -> Option<Finding> {
    const CHECK: &str = "mail";
    let server = config.smtp_server.as_ref()?;
    let address = format!("{}:{}", server.host, server.port);
    Some(match mail::check_server(config) {
        Ok(()) => Finding::new(CHECK, Verdict::Ok, format!("{address} accepts mail")),
        Err(problem) => {
            let detail =
                format!("{address} does not accept mail: {problem}; check ROSTERD_SMTP_URL");
            Finding::new(CHECK, Verdict::Wrong, detail)
        }
    })
}

/// The space on the disk of the private cluster.
pub fn check_disk(data_dir: &Path) -> Finding {
    const CHECK: &str = "disk space";
    let space = match rustix::fs::statvfs(data_dir) {
        Ok(space) => space,
        Err(error) => {
            let detail = format!("{}: {error}", data_dir.display());
            return Finding::new(CHECK, Verdict::Wrong, detail);
        }
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let total = space.f_blocks.saturating_mul(space.f_frsize);
    let percent = free.saturating_mul(100).checked_div(total).unwrap_or(100);
    let detail = format!(
        "{} MiB ({percent} %) are free on the disk of {}",
        free >> 20,
        data_dir.display()
    );
    Finding::new(CHECK, disk_verdict(free, percent), detail)
}

const fn disk_verdict(free: u64, percent: u64) -> Verdict {
    if free < FULL_BYTES {
        Verdict::Wrong
    } else if free < LOW_BYTES || percent < LOW_PERCENT {
        Verdict::Warning
    } else {
        Verdict::Ok
    }
}

/// Whether the invites can be used, and whether those who register are known.
pub fn check_registration(config: &Config, db: &Db) -> Finding {
    const CHECK: &str = "registration";
    let usable = match db.read_now(invites::service::count_usable) {
        Ok(usable) => usable,
        Err(error) => return Finding::new(CHECK, Verdict::Wrong, cli_error::describe(error)),
    };
    let (verdict, detail) = match config.registration {
        Registration::Closed if usable > 0 => (
            Verdict::Warning,
            format!(
                "closed, but there are {usable} unused invites: set ROSTERD_REGISTRATION=invite, or revoke them"
            ),
        ),
        Registration::Closed => (Verdict::Ok, "closed".to_owned()),
        Registration::Invite => (Verdict::Ok, format!("by invite: {usable} can be used")),
        Registration::Open if config.smtp_server.is_none() => (
            Verdict::Warning,
            "open, and no address is confirmed: set ROSTERD_SMTP_URL".to_owned(),
        ),
        Registration::Open => (Verdict::Ok, "open".to_owned()),
    };
    Finding::new(CHECK, verdict, detail)
}

/// Whether the service of these settings responds, and receives change notifications.
pub fn check_running(config: &Config, db: &Db) -> Finding {
    const CHECK: &str = "service";
    let replicas = match db.read_now(replicas::service::count_running) {
        Ok(replicas) => replicas,
        Err(error) => return Finding::new(CHECK, Verdict::Wrong, cli_error::describe(error)),
    };
    let addr = loopback_if_unspecified(config.addr);
    let (verdict, state) = match health::request(config, "/readyz") {
        Ok(response) if response.starts_with("HTTP/1.1 200 ") => match is_notified(config) {
            Some(false) => (
                Verdict::Wrong,
                format!(
                    "{addr} is ready, but receives no change notifications: every request reads its caller from the database"
                ),
            ),
            Some(true) => (
                Verdict::Ok,
                format!("{addr} is ready and receives change notifications"),
            ),
            None => (Verdict::Ok, format!("{addr} is ready")),
        },
        Ok(_) => (
            Verdict::Wrong,
            format!("{addr} is not ready: GET /readyz says why"),
        ),
        Err(error) => (
            Verdict::Warning,
            format!("{addr} does not respond: {error}"),
        ),
    };
    let detail = format!("{state}; replicas on this database: {replicas}");
    Finding::new(CHECK, verdict, detail)
}

/// Whether change notifications arrive at the running service, if its metrics can be read.
fn is_notified(config: &Config) -> Option<bool> {
    let addr: SocketAddr = loopback_if_unspecified(config.metrics_addr?);
    let metrics = health::request_without_tls(addr, "/metrics").ok()?;
    let mut values = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("rosterd_notifications_received "));
    values.next().map(|value| value.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_disk_space_is_a_warning_and_almost_none_an_error() {
        let gib = 1 << 30;
        assert_eq!(disk_verdict(50 * gib, 50), Verdict::Ok);
        assert_eq!(disk_verdict(50 * gib, 9), Verdict::Warning);
        assert_eq!(disk_verdict(gib - 1, 50), Verdict::Warning);
        assert_eq!(disk_verdict((100 << 20) - 1, 50), Verdict::Wrong);
    }
}
