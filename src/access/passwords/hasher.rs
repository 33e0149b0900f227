//! Hashing and verifying with Argon2id on a few threads of its own, so that a hash never holds a
//! request's worker or a database connection. Work that would wait too long is refused at once.

mod arena;
mod params;
mod phc;
mod pool;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use self::arena::{Arena, HashFailed};
use self::phc::Reference;
use self::pool::{Pending, Pool};
use super::secret::Password;

pub use self::params::{HashParams, InvalidHashParams};
pub use self::phc::{PasswordHash, UnsupportedHash};
pub use self::pool::{HasherStats, Overloaded};

/// How a [`Hasher`] works.
#[derive(Clone, Copy, Debug)]
pub struct HasherOptions {
    /// What a new hash costs.
    pub params: HashParams,
    /// Threads; each keeps `params.memory_kib()` of memory for as long as it lives.
    pub threads: NonZeroUsize,
    /// Work whose turn would come later than this is refused (`ROSTERD_HASH_QUEUE_MS`).
    pub max_wait: Duration,
}

impl Default for HasherOptions {
    /// The default cost, one thread per core, one second.
    fn default() -> Self {
        Self {
            params: HashParams::default(),
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_wait: Duration::from_secs(1),
        }
    }
}

/// Whether a password was the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wrong, or there was nothing it could be right for.
    Wrong,
    /// Right.
    Right {
        /// The hash was not made as new ones are now: hash the password again and store that.
        rehash: bool,
    },
}

/// A handle to the hashing threads; clones share them, and they end when the last one is dropped.
#[derive(Clone)]
pub struct Hasher {
    pool: Arc<Pool>,
    standard: Arc<Standard>,
}

/// What every thread needs to know.
struct Standard {
    params: HashParams,
    /// Verified against when there is no hash, so that an unknown name costs what a known one does.
    dummy: Reference,
}

impl Hasher {
    /// Allocates the memory, hashes once to learn how long that takes, and starts the threads.
    ///
    /// # Errors
    /// When the machine has not the memory or the threads.
    pub fn start(options: HasherOptions) -> io::Result<Self> {
        let arena = || Arena::new(options.params.memory_blocks());
        let mut arenas: Vec<Arena> = (0..options.threads.get())
            .map(|_| arena())
            .collect::<Result<_, _>>()?;
        let began = Instant::now();
        let dummy = match arenas.first_mut() {
            Some(arena) => Reference::make(arena, options.params, b"")?,
            None => Reference::make(&mut arena()?, options.params, b"")?,
        };
        let pool = Pool::start(arenas, options.max_wait, began.elapsed())?;
        Ok(Self {
            pool: Arc::new(pool),
            standard: Arc::new(Standard {
                params: options.params,
                dummy,
            }),
        })
    }

    /// Hashes a password with a fresh salt. Whether it may be chosen is [`Policy`](super::Policy)'s to
    /// say, beforehand: one that is too long would be hashed and could never be right.
    ///
    /// # Errors
    /// [`Overloaded`] when its turn would come too late, or when the hash broke off.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Overloaded> {
        self.queue_hash(password)?.answer().await
    }

    /// Verifies a password against a stored hash, or against nothing: an unknown name, an account
    /// without a password. Both take the same time, and the latter is always [`Verdict::Wrong`].
    ///
    /// A stored hash is verified at its own cost. One that is corrupt or of a kind not known here is
    /// logged as a warning, costs as much as any and is always [`Verdict::Wrong`].
    ///
    /// # Errors
    /// [`Overloaded`] when its turn would come too late, or when the hash broke off.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, Overloaded> {
        self.queue_verify(password, stored)?.answer().await
    }

    /// Whether work that came now would be taken; for whoever has something to do before it, and in vain if not.
    ///
    /// # Errors
    /// [`Overloaded`] when its turn would come too late.
    pub fn check_load(&self) -> Result<(), Overloaded> {
        self.pool.check_load()
    }

    /// [`Self::hash`] for callers without a runtime. Panics when called from within an async task.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub fn hash_now(&self, password: Password) -> Result<PasswordHash, Overloaded> {
        self.queue_hash(password)?.answer_now()
    }

    /// [`Self::verify`] for callers without a runtime. Panics when called from within an async task.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_now(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, Overloaded> {
        self.queue_verify(password, stored)?.answer_now()
    }

    /// What the threads have done and have before them, for metrics.
    #[must_use]
    pub fn stats(&self) -> HasherStats {
        self.pool.stats()
    }

    fn queue_hash(&self, password: Password) -> Result<Pending<PasswordHash>, Overloaded> {
        let standard = Arc::clone(&self.standard);
        self.pool.submit(move |arena| {
            Reference::make(arena, standard.params, password.as_str().as_bytes())
                .and_then(|reference| reference.to_hash())
        })
    }

    fn queue_verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Pending<Verdict>, Overloaded> {
        let standard = Arc::clone(&self.standard);
        self.pool
            .submit(move |arena| standard.verify(arena, &password, stored.as_ref()))
    }
}

impl Standard {
    fn verify(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verdict, HashFailed> {
        let stored = stored.and_then(readable);
        let reference = stored.as_ref().unwrap_or(&self.dummy);
        // No stored hash is of such a password, and hashing megabytes would cost more than any wrong one.
        let too_long = password.is_too_long();
        let text = if too_long { "" } else { password.as_str() };
        let same = reference.matches(arena, text.as_bytes())?;
        if same && !too_long && stored.is_some() {
            Ok(Verdict::Right {
                rehash: !reference.is_made_with(self.params),
            })
        } else {
            Ok(Verdict::Wrong)
        }
    }
}

/// The parts of a stored hash; none when it cannot be verified, which somebody has to look into.
fn readable(stored: &PasswordHash) -> Option<Reference> {
    Reference::parse(stored)
        .inspect_err(|reason| tracing::warn!(%reason, "a stored password hash cannot be verified"))
        .ok()
}

#[cfg(test)]
mod tests;
