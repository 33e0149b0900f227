//! The memory that Argon2 works in. A thread keeps its own: fresh memory costs a page fault per 4 KiB,
//! some 40 % on top of a hash, unless the allocator happened to keep it. What a hash leaves in it is wiped as soon as there is nothing else to do.

use std::collections::TryReserveError;
use std::io;

use argon2::password_hash::phc::{self, Output};
use argon2::{Argon2, Block};
use thiserror::Error;
use zeroize::Zeroize;

/// A hash could not be computed. It says nothing about the password.
#[derive(Debug, Error)]
pub(super) enum HashFailed {
    #[error("no memory for the hash: {0}")]
    Memory(#[from] TryReserveError),
    #[error("argon2: {0}")]
    Argon2(#[from] argon2::Error),
    #[error("the hash's output: {0}")]
    Output(#[from] phc::Error),
}

impl From<HashFailed> for io::Error {
    fn from(failed: HashFailed) -> Self {
        Self::other(failed)
    }
}

/// Memory for one hash at a time.
pub(super) struct Arena {
    kept: Vec<Block>,
    /// Whether the kept memory still holds what can be told from a password.
    dirty: bool,
}

impl Arena {
    /// Memory for hashes of up to this many blocks (KiB), touched once so that the first is as fast as any.
    pub(super) fn new(blocks: usize) -> Result<Self, HashFailed> {
        Ok(Self {
            kept: allocate(blocks)?,
            dirty: false,
        })
    }

    /// Computes the output, of this many bytes. A hash that needs more than the kept memory gets some
    /// that is wiped and given back at once.
    pub(super) fn digest(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output_bytes: usize,
    ) -> Result<Output, HashFailed> {
        let needed = argon2.params().block_count();
        if needed > self.kept.len() {
            let mut large = Self::new(needed)?;
            let output = large.digest(argon2, password, salt, output_bytes);
            large.wipe();
            return output;
        }
        self.dirty = true;
        let mut computed = Ok(());
        let output = Output::init_with(output_bytes, |out| {
            computed = argon2.hash_password_into_with_memory(password, salt, out, &mut self.kept);
            Ok(())
        })?;
        computed?;
        Ok(output)
    }

    /// Overwrites what the last hash left. Doing so after each one would add a fourteenth to its time,
    /// and the next hash overwrites it just as well; so it is done when there is no next one.
    pub(super) fn wipe(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.kept.iter_mut().for_each(Zeroize::zeroize);
        }
    }

    #[cfg(test)]
    pub(super) fn is_blank(&self) -> bool {
        let mut words = self.kept.iter().flat_map(AsRef::as_ref);
        words.all(|&word| word == 0)
    }
}

fn allocate(blocks: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks)?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::access::passwords::HashParams;

    const SALT: &[u8; 16] = b"sixteen bytes...";

    fn small() -> Argon2<'static> {
        HashParams::new(7_168, 5, 1).unwrap().argon2().unwrap()
    }

    #[test]
    fn kept_memory_gives_the_output_of_fresh_memory() {
        let argon2 = small();
        let mut fresh = [0; 32];
        argon2
            .hash_password_into(b"second", SALT, &mut fresh)
            .unwrap();
        let mut arena = Arena::new(7_168).unwrap();
        arena.digest(&argon2, b"first", SALT, 32).unwrap();
        assert_eq!(
            arena
                .digest(&argon2, b"second", SALT, 32)
                .unwrap()
                .as_bytes(),
            fresh
        );
        arena.wipe();
        assert_eq!(
            arena
                .digest(&argon2, b"second", SALT, 32)
                .unwrap()
                .as_bytes(),
            fresh
        );
    }

    #[test]
    fn a_hash_may_need_less_or_more_than_is_kept() {
        let argon2 = small();
        let mut fresh = [0; 32];
        argon2
            .hash_password_into(b"password", SALT, &mut fresh)
            .unwrap();
        for blocks in [0, 8, 7_168, 20_000] {
            let mut arena = Arena::new(blocks).unwrap();
            assert_eq!(
                arena
                    .digest(&argon2, b"password", SALT, 32)
                    .unwrap()
                    .as_bytes(),
                fresh
            );
            assert_eq!(arena.kept.len(), blocks);
        }
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut arena = Arena::new(7_168).unwrap();
        arena.digest(&small(), b"password", SALT, 32).unwrap();
        assert!(!arena.is_blank());
        arena.wipe();
        assert!(arena.is_blank());
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        assert!(matches!(Arena::new(usize::MAX), Err(HashFailed::Memory(_))));
    }

    /// `MALLOC_MMAP_THRESHOLD_=1048576 cargo test --lib -- --ignored --nocapture kept_against_fresh`.
    /// Without the variable, glibc keeps what was freed and little is left of the difference.
    #[test]
    #[ignore = "a measurement: prints how much kept memory saves"]
    fn kept_against_fresh() {
        for threads in [1, 2] {
            let runs: Vec<_> = (0..threads).map(|_| thread::spawn(measure)).collect();
            for [kept, wiping, fresh] in runs.into_iter().map(|run| run.join().unwrap()) {
                let ratio = fresh.div_duration_f64(kept);
                writeln!(
                    io::stdout(),
                    "{threads} at once: kept {kept:?} (wiping it {wiping:?}), fresh {fresh:?}, {ratio:.2} times"
                )
                .unwrap();
            }
        }
    }

    /// Medians: a hash in kept memory, wiping that, a hash in memory allocated for it.
    fn measure() -> [Duration; 3] {
        const ROUNDS: usize = 61;
        let params = HashParams::default();
        let argon2 = params.argon2().unwrap();
        let mut arena = Arena::new(params.memory_blocks()).unwrap();
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            times[0].push(timed(|| {
                arena.digest(&argon2, b"password", SALT, 32).unwrap();
            }));
            times[1].push(timed(|| arena.wipe()));
            times[2].push(timed(|| {
                argon2
                    .hash_password_into(b"password", SALT, &mut [0; 32])
                    .unwrap();
            }));
        }
        times.map(|mut times| {
            times.sort_unstable();
            times[ROUNDS / 2]
        })
    }

    fn timed(work: impl FnOnce()) -> Duration {
        let began = Instant::now();
        work();
        began.elapsed()
    }
}
