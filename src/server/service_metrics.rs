//! The metrics of the service besides those of requests and of the process.

use std::sync::Arc;
use std::time::SystemTime;

use crate::access::password_check::PasswordService;
use crate::access::passwords::HasherStats;
use crate::access::rate_limit;
use crate::platform::clock;
use crate::platform::db::Db;
use crate::platform::metrics::{self, Metrics};

/// Creates the metrics of this process.
///
/// # Errors
/// None in practice: a metric name is invalid or registered twice.
pub fn build(db: &Db, passwords: &PasswordService) -> Result<Metrics, metrics::Error> {
    let metrics = Metrics::new(process_start_time())?;
    let waits = db.clone();
    metrics.register_callback(
        "rosterd_lease_waits_total",
        "Answers that were held back until no replica could accept what they revoked.",
        move || as_metric(waits.lease_waits()),
    )?;
    let (open, idle) = (db.clone(), db.clone());
    metrics.register_callback(
        "rosterd_db_connections",
        "Open database connections.",
        move || f64::from(open.pool_status().connections),
    )?;
    metrics.register_callback(
        "rosterd_db_connections_idle",
        "Idle database connections.",
        move || f64::from(idle.pool_status().idle),
    )?;
    let (abandoned, guard) = (db.clone(), Arc::clone(db.server_guard()));
    metrics.register_callback(
        "rosterd_db_blocked_threads",
        "Threads that wait for a database server that does not respond, after their requests were answered with an error.",
        move || as_metric(abandoned.abandoned_threads() as u64),
    )?;
    metrics.register_callback(
        "rosterd_db_timeline",
        "The timeline of the database server that is used; 0 if it is unknown.",
        move || f64::from(guard.timeline_number()),
    )?;
    metrics.register_callback(
        "rosterd_database_clock_offset_seconds",
        "The time of the database minus that of this machine. Beyond 30 seconds, the service is not ready.",
        || clock::offset().as_seconds_f64(),
    )?;
    metrics.register_callback(
        "rosterd_password_attempts_refused_by_network_total",
        "Password attempts refused because of too many wrong passwords from their network.",
        || as_metric(rate_limit::service::network_refusals()),
    )?;
    register_hash_metrics(&metrics, passwords)?;
    Ok(metrics)
}

/// The queue of the hashing threads.
fn register_hash_metrics(
    metrics: &Metrics,
    passwords: &PasswordService,
) -> Result<(), metrics::Error> {
    let register = |name, help, number: fn(HasherStats) -> u64| {
        let hasher = passwords.hasher.clone();
        metrics.register_callback(name, help, move || as_metric(number(hasher.stats())))
    };
    register(
        "rosterd_password_hashes_waiting",
        "Passwords that wait for a hashing thread.",
        |stats| stats.waiting as u64,
    )?;
    register(
        "rosterd_password_hashes_total",
        "Passwords that were hashed or verified.",
        |stats| stats.finished,
    )?;
    register(
        "rosterd_password_hashes_rejected_total",
        "Passwords that were not hashed or verified, because the queue was too long.",
        |stats| stats.rejected,
    )
}

/// A counter as the value of a metric.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a metric is a floating-point number; it is exact up to 2^53"
)]
pub const fn as_metric(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::disallowed_methods,
    reason = "the start time of the process does not belong to a request"
)]
fn process_start_time() -> SystemTime {
    SystemTime::now()
}
