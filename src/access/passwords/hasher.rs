//! Hashes and verifies passwords with Argon2id on dedicated threads, so that a hash never blocks a request worker or
//! holds a database connection. Work that would wait too long is rejected at once.

mod hash_params;
mod password_hash;
mod thread_pool;
mod working_memory;

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use self::password_hash::ParsedHash;
use self::thread_pool::{HashThreadPool, PendingResult};
use self::working_memory::{HashError, HashMemory};
use super::password::Password;
use super::pepper::{Pepper, Peppers};

pub use self::hash_params::{HashParams, InvalidHashParams};
pub use self::password_hash::{PasswordHash, UnsupportedHash};
pub use self::thread_pool::{HasherOverloaded, HasherStats, Priority};

/// The configuration of a [`Hasher`].
#[derive(Clone, Copy, Debug)]
pub struct HasherOptions {
    /// The cost of new hashes.
    pub params: HashParams,
    /// The number of threads. Each keeps `params.memory_kib()` of memory while it runs.
    pub threads: NonZeroUsize,
    /// Work that would wait longer than this is rejected (`ROSTERD_HASH_QUEUE_MS`).
    pub max_wait: Duration,
}

impl Default for HasherOptions {
    /// The default cost, one thread per core, and one second.
    fn default() -> Self {
        Self {
            params: HashParams::default(),
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_wait: Duration::from_secs(1),
        }
    }
}

/// The result of verifying a password against a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyOutcome {
    /// The password does not match, or there is no usable hash.
    Mismatch,
    /// The password matches.
    Match {
        /// Whether the hash has outdated parameters and the password should be hashed again.
        needs_rehash: bool,
    },
}

/// A handle to the hashing threads. Clones share the threads, which end when the last handle is dropped.
#[derive(Clone)]
pub struct Hasher {
    pool: Arc<HashThreadPool>,
    reference: Arc<HashReference>,
}

/// The parameters of new hashes, and the hash that stands in for a missing one.
struct HashReference {
    params: HashParams,
    /// Replaced when another replica created a pepper.
    peppers: RwLock<Peppers>,
    /// Verified when there is no stored hash, so that an unknown account takes as long as an existing one.
    dummy_hash: ParsedHash,
}

impl Hasher {
    /// Allocates the memory, measures the time of one hash, and starts the threads.
    ///
    /// # Errors
    /// If memory or threads are not available.
    pub fn start(options: HasherOptions) -> io::Result<Self> {
        let allocate = || HashMemory::new(options.params.memory_blocks());
        let mut memories: Vec<HashMemory> = (0..options.threads.get())
            .map(|_| allocate())
            .collect::<Result<_, _>>()?;
        let started_at = Instant::now();
        let dummy_hash = match memories.first_mut() {
            Some(memory) => ParsedHash::compute(memory, options.params, None, b"")?,
            None => ParsedHash::compute(&mut allocate()?, options.params, None, b"")?,
        };
        let pool = HashThreadPool::start(memories, options.max_wait, started_at.elapsed())?;
        Ok(Self {
            pool: Arc::new(pool),
            reference: Arc::new(HashReference {
                params: options.params,
                peppers: RwLock::default(),
                dummy_hash,
            }),
        })
    }

    /// Uses these peppers.
    #[must_use]
    pub fn with_peppers(self, peppers: Peppers) -> Self {
        *self.reference.write_peppers() = peppers;
        self
    }

    /// Replaces the known peppers. Whether new hashes use one does not change.
    pub fn set_known_peppers(&self, known: Vec<Pepper>) {
        self.reference.write_peppers().set_known(known);
    }

    /// Whether the hash was computed with a known pepper or without one.
    #[must_use]
    pub fn knows_pepper(&self, hash: &PasswordHash) -> bool {
        let id = hash.pepper_id();
        id.is_empty() || self.reference.peppers().find(&id).is_some()
    }

    /// Hashes a password with a new random salt. Check the password with [`PasswordPolicy`](super::PasswordPolicy) first:
    /// a password that is too long would be hashed but never match.
    ///
    /// # Errors
    /// [`HasherOverloaded`] if the wait would be too long or the hash failed.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HasherOverloaded> {
        self.queue_hash(password)?.wait().await
    }

    /// Verifies a password against a stored hash, or against a dummy hash for an unknown account or one without a password.
    /// Both take the same time. The dummy hash always gives [`VerifyOutcome::Mismatch`].
    ///
    /// A stored hash is verified with its own parameters. One that is cheaper than a new hash takes as long as a new hash.
    /// A hash that is corrupt or unsupported is logged as a warning, takes as long as any other and gives
    /// [`VerifyOutcome::Mismatch`].
    ///
    /// # Errors
    /// [`HasherOverloaded`] if the wait would be too long or the hash failed.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        priority: Priority,
    ) -> Result<VerifyOutcome, HasherOverloaded> {
        self.queue_verify(password, stored, priority)?.wait().await
    }

    /// Checks whether new work would be accepted now. Callers use it to avoid database queries before work that would be
    /// rejected.
    ///
    /// # Errors
    /// [`HasherOverloaded`] if the wait would be too long.
    pub fn check_capacity(&self, priority: Priority) -> Result<(), HasherOverloaded> {
        self.pool.check_capacity(priority)
    }

    /// [`Self::hash`] for callers without an async runtime. Panics inside an async task.
    ///
    /// # Errors
    /// See [`Self::hash`].
    pub fn hash_blocking(&self, password: Password) -> Result<PasswordHash, HasherOverloaded> {
        self.queue_hash(password)?.wait_blocking()
    }

    /// [`Self::verify`] for callers without an async runtime. Panics inside an async task.
    ///
    /// # Errors
    /// See [`Self::verify`].
    pub fn verify_blocking(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<VerifyOutcome, HasherOverloaded> {
        self.queue_verify(password, stored, Priority::SignIn)?
            .wait_blocking()
    }

    /// Counters for metrics.
    #[must_use]
    pub fn stats(&self) -> HasherStats {
        self.pool.stats()
    }

    fn queue_hash(
        &self,
        password: Password,
    ) -> Result<PendingResult<PasswordHash>, HasherOverloaded> {
        let params = self.reference.params;
        let pepper = self.reference.peppers().current().cloned();
        self.pool.submit(Priority::NewPassword, move |memory| {
            let password = password.as_str().as_bytes();
            ParsedHash::compute(memory, params, pepper.as_ref(), password)?.to_password_hash()
        })
    }

    fn queue_verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        priority: Priority,
    ) -> Result<PendingResult<VerifyOutcome>, HasherOverloaded> {
        let reference = Arc::clone(&self.reference);
        self.pool.submit(priority, move |memory| {
            reference.verify(memory, &password, stored.as_ref())
        })
    }
}

impl HashReference {
    fn peppers(&self) -> RwLockReadGuard<'_, Peppers> {
        self.peppers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_peppers(&self) -> RwLockWriteGuard<'_, Peppers> {
        self.peppers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify(
        &self,
        memory: &mut HashMemory,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<VerifyOutcome, HashError> {
        let peppers = self.peppers().clone();
        let stored = stored
            .and_then(parse_or_warn)
            .filter(|hash| is_pepper_known_or_warn(&peppers, hash));
        let hash = stored.as_ref().unwrap_or(&self.dummy_hash);
        let pepper = peppers.find(hash.pepper_id());
        // A password that is too long has no stored hash. Hashing megabytes of it would take longer than a wrong password.
        let is_too_long = password.is_too_long();
        let text = if is_too_long { "" } else { password.as_str() };
        let is_match = hash.matches(memory, pepper, text.as_bytes())?;
        hash.pad(memory, self.params, text.as_bytes())?;
        if is_match && !is_too_long && stored.is_some() {
            Ok(VerifyOutcome::Match {
                needs_rehash: !hash.has_params(self.params, peppers.current()),
            })
        } else {
            Ok(VerifyOutcome::Mismatch)
        }
    }
}

/// Whether the pepper of a stored hash is known. If not, logs a warning for the operator.
fn is_pepper_known_or_warn(peppers: &Peppers, hash: &ParsedHash) -> bool {
    let is_known = hash.pepper_id().is_empty() || peppers.find(hash.pepper_id()).is_some();
    if !is_known {
        tracing::warn!("a stored password hash was computed with an unknown pepper");
    }
    is_known
}

/// Parses a stored hash. If that fails, logs a warning for the operator and returns `None`.
fn parse_or_warn(stored: &PasswordHash) -> Option<ParsedHash> {
    ParsedHash::parse(stored)
        .inspect_err(|reason| tracing::warn!(%reason, "a stored password hash cannot be verified"))
        .ok()
}

#[cfg(test)]
mod tests;
