//! Deletes what has expired and cannot be used any more: rows of every module, old deleted accounts, and old audit events. Each
//! kind is a job of its own, in batches of one transaction each. A job that fails does not stop the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::access::actor::Actor;
use crate::access::authentication::Can;
use crate::access::signing_keys::service as keys;
use crate::access::{clients, rate_limit, revocation_feed, sessions, tokens};
use crate::accounts::{email_confirmations, invites, password_reset, user_admin};
use crate::audit::chain;
use crate::platform::config::Config;
use crate::platform::crypto::Vault;
use crate::platform::db::{Db, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::metrics::{self, Metrics};
use crate::{idempotency, mail};

/// Deletes one batch and returns the number of rows.
type DeleteBatch = Arc<dyn Fn(&mut Tx<'_>) -> TxResult<usize> + Send + Sync>;

/// All jobs.
pub struct Housekeeping(Vec<Job>);

struct Job {
    name: &'static str,
    delete_batch: DeleteBatch,
    /// When the job last deleted everything that had expired.
    completed: Arc<CompletionTime>,
}

/// A time that threads share, in milliseconds after the start.
struct CompletionTime {
    started_at: Instant,
    completed_ms: AtomicU64,
}

impl Housekeeping {
    /// The jobs that delete expired rows.
    #[must_use]
    pub fn of_expired_rows() -> Self {
        let mut jobs = Self(Vec::new());
        jobs.add("idempotency keys", |tx| {
            Ok(idempotency::service::delete_expired(tx)?)
        });
        jobs.add("sessions", |tx| Ok(sessions::service::delete_expired(tx)?));
        jobs.add("rate limits", |tx| {
            Ok(rate_limit::service::delete_expired(tx)?)
        });
        jobs.add("personal access tokens", |tx| {
            Ok(tokens::service::delete_expired(tx)?)
        });
        jobs.add("client access tokens", |tx| {
            Ok(clients::service::delete_expired(tx)?)
        });
        jobs.add("revocation feed", |tx| {
            Ok(revocation_feed::service::delete_expired(tx)?)
        });
        jobs.add("signing keys", |tx| Ok(keys::delete_expired(tx)?));
        jobs.add("reset links", |tx| {
            Ok(password_reset::service::delete_expired(tx)?)
        });
        jobs.add("email confirmations", |tx| {
            Ok(email_confirmations::service::delete_expired(tx)?)
        });
        jobs.add("unconfirmed accounts", |tx| {
            Ok(user_admin::service::purge_unconfirmed(tx)?)
        });
        jobs.add("mail", |tx| Ok(mail::service::delete_stale(tx)?));
        jobs.add("invites", |tx| Ok(invites::service::delete_expired(tx)?));
        jobs
    }

    /// The jobs of a service with this configuration.
    ///
    /// # Errors
    /// None in practice.
    pub fn new(config: &Config, vault: &Arc<Vault>) -> Result<Self, AppError> {
        let mut jobs = Self::of_expired_rows();
        if let Some(days) = config.purge_deleted_days {
            let system = Can::prove(Arc::new(Actor::system()))?;
            // One account per transaction, because each takes the locks of an administrator's request.
            jobs.add("deleted accounts", move |tx| {
                user_admin::service::purge_next_deleted(tx, &system, days).map(usize::from)
            });
        }
        if let Some(days) = config.audit_retention_days {
            let vault = Arc::clone(vault);
            jobs.add("audit events", move |tx| {
                Ok(usize::from(chain::service::expire(tx, &vault, days)?))
            });
        }
        Ok(jobs)
    }

    fn add(
        &mut self,
        name: &'static str,
        delete_batch: impl Fn(&mut Tx<'_>) -> TxResult<usize> + Send + Sync + 'static,
    ) {
        self.0.push(Job {
            name,
            delete_batch: Arc::new(delete_batch),
            completed: Arc::new(CompletionTime::new()),
        });
    }

    /// Registers the time since the last completion of each job.
    ///
    /// # Errors
    /// The metric is already registered.
    pub fn register_metrics(&self, metrics: &Metrics) -> Result<(), metrics::Error> {
        for job in &self.0 {
            let completed = Arc::clone(&job.completed);
            metrics.register_labelled_callback(
                "rosterd_housekeeping_lag_seconds",
                "Seconds since the job last deleted everything that had expired, or since the start.",
                &[("kind", job.name)],
                move || completed.age_seconds(),
            )?;
        }
        Ok(())
    }

    /// Runs all jobs. One that fails does not stop the others.
    ///
    /// # Errors
    /// The error of the last job that failed. Each is logged.
    pub fn run(&self, db: &Db) -> Result<(), AppError> {
        let mut result = Ok(());
        for job in &self.0 {
            match job.run(db) {
                Ok(()) => job.completed.record(),
                Err(error) => {
                    tracing::warn!(job = job.name, ?error, "a housekeeping job failed");
                    result = Err(error);
                }
            }
        }
        result
    }
}

impl Job {
    /// Deletes batches until nothing is left that has expired.
    fn run(&self, db: &Db) -> Result<(), AppError> {
        loop {
            let delete_batch = Arc::clone(&self.delete_batch);
            match db.write_on_thread(move |tx| delete_batch(tx)) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // Another replica purged the account first.
                Err(error) if error.code() == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl CompletionTime {
    fn new() -> Self {
        Self {
            started_at: Instant::now(),
            completed_ms: AtomicU64::new(0),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn record(&self) {
        self.completed_ms
            .store(self.elapsed_ms(), Ordering::Relaxed);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a metric is a floating-point number"
    )]
    fn age_seconds(&self) -> f64 {
        let completed_ms = self.completed_ms.load(Ordering::Relaxed);
        self.elapsed_ms().saturating_sub(completed_ms) as f64 / 1_000.0
    }
}
