//! Metrics that are counted in the database, once a minute. A scrape shows the last numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::access::sessions;
use crate::access::signing_keys::service::{self as signing_keys, KeyState};
use crate::audit::chain;
use crate::mail;
use crate::platform::db::Db;
use crate::platform::error::AppError;
use crate::platform::metrics::{self, Metrics};

/// How often the numbers are counted.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// The last numbers. Clones share them.
#[derive(Clone, Default)]
pub struct DatabaseMetrics(Arc<Numbers>);

#[derive(Default)]
struct Numbers {
    sessions: AtomicU64,
    unsent_mail: AtomicU64,
    unsealed_audit_events: AtomicU64,
    signing_key_age_seconds: AtomicU64,
}

impl DatabaseMetrics {
    /// Adds the numbers to the metrics.
    ///
    /// # Errors
    /// None in practice: a metric is registered twice.
    pub fn register(&self, metrics: &Metrics) -> Result<(), metrics::Error> {
        let register = |name, help, number: fn(&Numbers) -> &AtomicU64| {
            let numbers = self.0.clone();
            metrics.register_callback(name, help, move || {
                super::as_metric(number(&numbers).load(Ordering::Relaxed))
            })
        };
        register("rosterd_sessions_active", "Active sessions.", |numbers| {
            &numbers.sessions
        })?;
        register(
            "rosterd_mail_unsent",
            "Messages that wait to be sent.",
            |numbers| &numbers.unsent_mail,
        )?;
        register(
            "rosterd_audit_events_unsealed",
            "Audit events that are not in the hash chain yet.",
            |numbers| &numbers.unsealed_audit_events,
        )?;
        register(
            "rosterd_signing_key_age_seconds",
            "How long the current signing key has signed access tokens.",
            |numbers| &numbers.signing_key_age_seconds,
        )
    }

    /// Counts again.
    ///
    /// # Errors
    /// Database errors.
    pub fn update(&self, db: &Db) -> Result<(), AppError> {
        let numbers = self.0.clone();
        db.read_on_thread(move |tx| {
            let store = |number: &AtomicU64, value: i64| {
                number.store(u64::try_from(value).unwrap_or_default(), Ordering::Relaxed);
            };
            store(&numbers.sessions, sessions::service::count_all(tx)?);
            store(&numbers.unsent_mail, mail::service::count_unsent(tx)?);
            store(
                &numbers.unsealed_audit_events,
                chain::service::count_unsealed(tx)?,
            );
            let keys = signing_keys::list(tx)?;
            if let Some(key) = keys.iter().find(|key| key.state == KeyState::Signing) {
                let age = tx.now - key.active_at_utc;
                store(&numbers.signing_key_age_seconds, age.num_seconds());
            }
            Ok(())
        })
    }
}
