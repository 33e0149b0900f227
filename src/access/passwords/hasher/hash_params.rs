//! The Argon2id cost parameters, with limits so that hashes are neither weak nor too expensive.

use argon2::{Algorithm, Argon2, KeyId, Params, ParamsBuilder, Version};
use thiserror::Error;

use crate::access::passwords::pepper::Pepper;

/// Pairs of memory (KiB) and iterations. Configured parameters must reach at least one (OWASP Password Storage Cheat Sheet).
const OWASP_MINIMUMS: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];
const MAX_PARALLELISM: u32 = 4;
/// 256 MiB: one anonymous sign-in with a wrong password may need this much.
const MAX_MEMORY_KIB: u32 = 256 << 10;
/// Memory times iterations: 1 GiB written in total, about a second of one core.
const MAX_TOTAL_KIB: u64 = 1 << 20;

/// The length of a new hash's output in bytes.
pub(super) const OUTPUT_BYTES: usize = 32;

/// The cost of an Argon2id hash, written `m=19456,t=2,p=1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

/// Why parameters are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHashParams {
    /// The text has another form.
    #[error("hash parameters must have the form m=19456,t=2,p=1")]
    Malformed,
    /// Below all pairs that OWASP recommends.
    #[error(
        "hash parameters are too weak: m (KiB) and t must be at least one of \
         m=47104,t=1, m=19456,t=2, m=12288,t=3, m=9216,t=4, m=7168,t=5"
    )]
    TooWeak,
    /// Parallelism out of range.
    #[error("hash parallelism p must be 1 to {MAX_PARALLELISM}")]
    Parallelism,
    /// One hash would need gigabytes of memory or many seconds.
    #[error(
        "hash parameters are too costly: m may be at most 262144 (KiB), and m times t at most 1048576"
    )]
    TooCostly,
}

impl HashParams {
    /// Validates the parameters.
    ///
    /// # Errors
    /// If they are weaker than OWASP's minimum or too expensive.
    pub fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, InvalidHashParams> {
        if !(1..=MAX_PARALLELISM).contains(&parallelism) {
            return Err(InvalidHashParams::Parallelism);
        }
        if !OWASP_MINIMUMS
            .iter()
            .any(|&(memory, passes)| memory_kib >= memory && iterations >= passes)
        {
            return Err(InvalidHashParams::TooWeak);
        }
        if is_too_costly(memory_kib, iterations) {
            return Err(InvalidHashParams::TooCostly);
        }
        Ok(Self {
            memory_kib,
            iterations,
            parallelism,
        })
    }

    /// Parses `m=19456,t=2,p=1`. All three are required, in any order.
    ///
    /// # Errors
    /// If the text has another form, or an error of [`Self::new`].
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

    /// The memory in KiB.
    #[must_use]
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// The number of passes over the memory.
    #[must_use]
    pub fn iterations(self) -> u32 {
        self.iterations
    }

    /// The number of lanes. One thread computes them one after the other.
    #[must_use]
    pub fn parallelism(self) -> u32 {
        self.parallelism
    }

    /// The memory in Argon2 blocks of 1 KiB.
    pub(super) fn memory_blocks(self) -> usize {
        usize::try_from(self.memory_kib).unwrap_or(usize::MAX)
    }

    /// The parameters of a hash that does the work by which a hash with `stored` falls short of this cost, if it does. The
    /// work of a hash is its memory times its passes.
    pub(super) fn padding_for(self, stored: &Params) -> Option<Params> {
        let work = |memory: u32, passes: u32| u64::from(memory) * u64::from(passes);
        let missing = work(self.memory_kib, self.iterations)
            .saturating_sub(work(stored.m_cost(), stored.t_cost()));
        let memory = u32::try_from(missing / u64::from(self.iterations)).ok()?;
        // Less than the smallest memory of Argon2 is not measurable.
        Params::new(memory, self.iterations, 1, Some(OUTPUT_BYTES)).ok()
    }

    /// Argon2id, version 19, at this cost and with this pepper.
    pub(super) fn argon2(self, pepper: Option<&Pepper>) -> Result<Argon2<'_>, argon2::Error> {
        let mut params = ParamsBuilder::new();
        params
            .m_cost(self.memory_kib)
            .t_cost(self.iterations)
            .p_cost(self.parallelism)
            .output_len(OUTPUT_BYTES);
        let Some(pepper) = pepper else {
            return Ok(Argon2::new(
                Algorithm::Argon2id,
                Version::V0x13,
                params.build()?,
            ));
        };
        params.keyid(KeyId::new(&pepper.id)?);
        let (secret, params) = (pepper.secret.as_slice(), params.build()?);
        Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, params)
    }
}

impl Default for HashParams {
    /// 19 MiB, two passes and one lane: OWASP's first recommendation for Argon2id.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
        }
    }
}

/// Whether a hash with these parameters could exhaust the machine. Also applies to imported hashes.
pub(super) fn is_too_costly(memory_kib: u32, iterations: u32) -> bool {
    memory_kib > MAX_MEMORY_KIB || u64::from(memory_kib) * u64::from(iterations) > MAX_TOTAL_KIB
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn default_parameters_are_valid() {
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
    fn owasp_minimums_are_accepted_and_lower_values_are_too_weak() {
        for (memory, passes) in OWASP_MINIMUMS {
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
    fn parallelism_is_one_to_four() {
        assert!(HashParams::new(19_456, 2, 4).is_ok());
        for lanes in [0, 5, u32::MAX] {
            assert_eq!(
                HashParams::new(19_456, 2, lanes),
                Err(InvalidHashParams::Parallelism)
            );
        }
    }

    #[test]
    fn excessive_cost_is_rejected() {
        assert!(HashParams::new(1 << 18, 4, 1).is_ok());
        for (memory, passes) in [
            (1 << 18, 5),
            ((1 << 18) + 1, 1),
            (19_456, 54),
            (u32::MAX, u32::MAX),
        ] {
            assert_eq!(
                HashParams::new(memory, passes, 1),
                Err(InvalidHashParams::TooCostly)
            );
        }
    }

    #[test]
    fn padding_makes_up_for_the_work_that_a_cheaper_hash_lacks() {
        let reference = HashParams::default();
        let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        let reference_work = 2 * 19_456;
        for (memory, passes) in [(8, 1), (1_024, 1), (4_096, 3), (9_216, 4), (19_456, 1)] {
            let stored = Params::new(memory, passes, 1, None).unwrap();
            let padding = reference.padding_for(&stored).unwrap();
            let total = work(&stored) + work(&padding);
            assert!(
                (reference_work - 2..=reference_work).contains(&total),
                "{memory} {passes}: {total}"
            );
        }
        for (memory, passes) in [(19_456, 2), (65_536, 3), (19_455, 2)] {
            let stored = Params::new(memory, passes, 1, None).unwrap();
            assert_eq!(reference.padding_for(&stored), None, "{memory} {passes}");
        }
    }

    #[test]
    fn text_in_another_form_is_malformed() {
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
        fn argon2_accepts_all_valid_parameters(memory in 1_u32..200_000, passes in 0_u32..60, lanes in 0_u32..6) {
            if let Ok(params) = HashParams::new(memory, passes, lanes) {
                prop_assert!(params.argon2(None).is_ok());
            }
        }
    }
}
