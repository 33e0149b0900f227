//! What a hash costs, and the bounds that keep it neither weak nor ruinous.

use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;

/// Pairs of memory (KiB) and iterations below which nothing may be configured
/// (OWASP Password Storage Cheat Sheet).
const FLOOR: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];
const MOST_PARALLELISM: u32 = 4;
/// One GiB.
const MOST_MEMORY_KIB: u32 = 1 << 20;
/// Four GiB written in all: some seconds of one core.
const MOST_WORK_KIB: u64 = 4 << 20;

/// The length of a new hash's output in bytes.
pub(super) const OUTPUT_BYTES: usize = 32;

/// The cost of an Argon2id hash, as `m=19456,t=2,p=1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

/// Why a cost cannot be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHashParams {
    /// The text has another form.
    #[error("hash parameters must look like m=19456,t=2,p=1")]
    Malformed,
    /// Below every pair that OWASP recommends.
    #[error(
        "hash parameters are too weak: m (KiB) and t must reach one of \
         m=47104,t=1, m=19456,t=2, m=12288,t=3, m=9216,t=4, m=7168,t=5"
    )]
    TooWeak,
    /// Parallelism out of range.
    #[error("hash parallelism p must be from 1 to {MOST_PARALLELISM}")]
    Parallelism,
    /// One hash would take gigabytes or many seconds.
    #[error(
        "hash parameters are too costly: m may be at most 1048576 (KiB), and m times t at most 4194304"
    )]
    TooCostly,
}

impl HashParams {
    /// A cost within the bounds.
    ///
    /// # Errors
    /// When it is weaker than OWASP's floor, or absurdly high.
    pub fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, InvalidHashParams> {
        if !(1..=MOST_PARALLELISM).contains(&parallelism) {
            return Err(InvalidHashParams::Parallelism);
        }
        if !FLOOR
            .iter()
            .any(|&(memory, passes)| memory_kib >= memory && iterations >= passes)
        {
            return Err(InvalidHashParams::TooWeak);
        }
        if is_ruinous(memory_kib, iterations) {
            return Err(InvalidHashParams::TooCostly);
        }
        Ok(Self {
            memory_kib,
            iterations,
            parallelism,
        })
    }

    /// Reads `m=19456,t=2,p=1`: all three, in any order.
    ///
    /// # Errors
    /// When the text has another form, and as [`Self::new`].
    pub fn parse(text: &str) -> Result<Self, InvalidHashParams> {
        let pairs: Vec<_> = text
            .split(',')
            .filter_map(|pair| pair.trim().split_once('='))
            .collect();
        let value = |name| {
            let mut values = pairs.iter().filter(|(key, _)| *key == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => value.parse().map_err(|_| InvalidHashParams::Malformed),
                _ => Err(InvalidHashParams::Malformed),
            }
        };
        if text.split(',').count() != 3 {
            return Err(InvalidHashParams::Malformed);
        }
        Self::new(value("m")?, value("t")?, value("p")?)
    }

    /// Memory in KiB.
    #[must_use]
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub fn iterations(self) -> u32 {
        self.iterations
    }

    /// Lanes. They are computed one after the other on one thread.
    #[must_use]
    pub fn parallelism(self) -> u32 {
        self.parallelism
    }

    /// The memory in Argon2's blocks, which are of one KiB.
    pub(super) fn memory_blocks(self) -> usize {
        usize::try_from(self.memory_kib).unwrap_or(usize::MAX)
    }

    /// Argon2id, version 19, at this cost.
    pub(super) fn argon2(self) -> Result<Argon2<'static>, argon2::Error> {
        let params = Params::new(
            self.memory_kib,
            self.iterations,
            self.parallelism,
            Some(OUTPUT_BYTES),
        )?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

impl Default for HashParams {
    /// 19 MiB, two passes, one lane: the one of OWASP's pairs that it names first for Argon2id.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
        }
    }
}

/// Whether one hash at this cost could be used to exhaust the machine, wherever it came from.
pub(super) fn is_ruinous(memory_kib: u32, iterations: u32) -> bool {
    memory_kib > MOST_MEMORY_KIB || u64::from(memory_kib) * u64::from(iterations) > MOST_WORK_KIB
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_is_within_its_own_bounds() {
        assert_eq!(HashParams::new(19_456, 2, 1), Ok(HashParams::default()));
        assert_eq!(
            HashParams::parse("m=19456,t=2,p=1"),
            Ok(HashParams::default())
        );
        assert_eq!(
            HashParams::parse("p=1, t=2, m=19456"),
            Ok(HashParams::default())
        );
    }

    #[test]
    fn each_pair_of_the_floor_passes_and_anything_less_does_not() {
        for (memory, passes) in FLOOR {
            assert!(
                HashParams::new(memory, passes, 1).is_ok(),
                "{memory} {passes}"
            );
            assert_eq!(
                HashParams::new(memory - 1, passes, 1),
                Err(InvalidHashParams::TooWeak)
            );
            assert_eq!(
                HashParams::new(memory, passes - 1, 1),
                Err(InvalidHashParams::TooWeak)
            );
        }
        assert_eq!(
            HashParams::new(u32::MAX, 0, 1),
            Err(InvalidHashParams::TooWeak)
        );
    }

    #[test]
    fn lanes_are_one_to_four() {
        assert!(HashParams::new(19_456, 2, 4).is_ok());
        for lanes in [0, 5, u32::MAX] {
            assert_eq!(
                HashParams::new(19_456, 2, lanes),
                Err(InvalidHashParams::Parallelism)
            );
        }
    }

    #[test]
    fn the_absurdly_large_is_refused() {
        assert!(HashParams::new(1 << 20, 4, 1).is_ok());
        for (memory, passes) in [
            (1 << 20, 5),
            ((1 << 20) + 1, 1),
            (19_456, 216),
            (u32::MAX, u32::MAX),
        ] {
            assert_eq!(
                HashParams::new(memory, passes, 1),
                Err(InvalidHashParams::TooCostly)
            );
        }
    }

    #[test]
    fn other_texts_are_malformed() {
        for text in [
            "",
            "m=19456",
            "m=19456,t=2",
            "m=19456,t=2,p=1,",
            "m=19456,t=2,p=1,x=1",
            "m=19456,t=2,t=3",
            "m=19456,t=2,p=one",
            "m=-19456,t=2,p=1",
            "19456,2,1",
            "m=99999999999,t=2,p=1",
        ] {
            assert_eq!(
                HashParams::parse(text),
                Err(InvalidHashParams::Malformed),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_allowed_argon2_can_do(memory in 1_u32..200_000, passes in 0_u32..60, lanes in 0_u32..6) {
            if let Ok(params) = HashParams::new(memory, passes, lanes) {
                prop_assert!(params.argon2().is_ok());
            }
        }
    }
}
