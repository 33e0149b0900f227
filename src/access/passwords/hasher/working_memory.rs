//! The working memory of Argon2. Each thread keeps its own, because newly allocated memory costs a page fault per 4 KiB,
//! about 40 % of a hash, unless the allocator reuses it (`cargo run --release --example argon2_memory` measures it). The
//! memory is zeroized when the thread becomes idle.

use std::collections::TryReserveError;
use std::io;

use argon2::password_hash::phc::{self, Output};
use argon2::{Argon2, Block};
use thiserror::Error;
use zeroize::Zeroize;

/// A hash could not be computed, for a reason that does not depend on the password.
#[derive(Debug, Error)]
pub(super) enum HashError {
    #[error("the memory for the hash could not be allocated: {0}")]
    Memory(#[from] TryReserveError),
    #[error("argon2: {0}")]
    Argon2(#[from] argon2::Error),
    #[error("invalid hash output: {0}")]
    Output(#[from] phc::Error),
}

impl From<HashError> for io::Error {
    fn from(error: HashError) -> Self {
        Self::other(error)
    }
}

/// Reusable memory for one hash at a time.
pub(super) struct HashMemory {
    blocks: Vec<Block>,
    /// Whether the memory contains data derived from a password.
    is_dirty: bool,
    /// The work done so far: memory in KiB times passes.
    #[cfg(test)]
    pub(super) work: u64,
}

impl HashMemory {
    /// Allocates memory for hashes of up to this many blocks (KiB), and writes to it so that the first hash is not slower.
    pub(super) fn new(block_count: usize) -> Result<Self, HashError> {
        Ok(Self {
            blocks: allocate(block_count)?,
            is_dirty: false,
            #[cfg(test)]
            work: 0,
        })
    }

    /// Computes a hash output of this many bytes. If the hash needs more memory than is available, it uses temporary memory
    /// that is zeroized and freed at once.
    pub(super) fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output_bytes: usize,
    ) -> Result<Output, HashError> {
        let needed = argon2.params().block_count();
        if needed > self.blocks.len() {
            let mut large = Self::new(needed)?;
            let output = large.compute(argon2, password, salt, output_bytes);
            large.zeroize();
            return output;
        }
        self.is_dirty = true;
        #[cfg(test)]
        {
            let params = argon2.params();
            self.work += u64::from(params.m_cost()) * u64::from(params.t_cost());
        }
        let mut result = Ok(());
        let output = Output::init_with(output_bytes, |out| {
            result = argon2.hash_password_into_with_memory(password, salt, out, &mut self.blocks);
            Ok(())
        })?;
        result?;
        Ok(output)
    }

    /// Zeroizes the memory after the last hash. This is done only before the thread becomes idle: it would add 7 % to each
    /// hash, and the next hash overwrites the memory anyway.
    pub(super) fn zeroize(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.blocks.iter_mut().for_each(Zeroize::zeroize);
        }
    }

    #[cfg(test)]
    pub(super) fn is_zeroed(&self) -> bool {
        let mut words = self.blocks.iter().flat_map(AsRef::as_ref);
        words.all(|&word| word == 0)
    }
}

fn allocate(block_count: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(block_count)?;
    memory.resize(block_count, Block::new());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::passwords::HashParams;

    const SALT: &[u8; 16] = b"sixteen bytes...";

    fn smallest_argon2() -> Argon2<'static> {
        HashParams::new(7_168, 5, 1).unwrap().argon2(None).unwrap()
    }

    #[test]
    fn reused_memory_gives_the_same_output_as_new_memory() {
        let argon2 = smallest_argon2();
        let mut expected = [0; 32];
        argon2
            .hash_password_into(b"second", SALT, &mut expected)
            .unwrap();
        let mut memory = HashMemory::new(7_168).unwrap();
        memory.compute(&argon2, b"first", SALT, 32).unwrap();
        assert_eq!(
            memory
                .compute(&argon2, b"second", SALT, 32)
                .unwrap()
                .as_bytes(),
            expected
        );
        memory.zeroize();
        assert_eq!(
            memory
                .compute(&argon2, b"second", SALT, 32)
                .unwrap()
                .as_bytes(),
            expected
        );
    }

    #[test]
    fn hash_may_need_less_or_more_memory_than_is_available() {
        let argon2 = smallest_argon2();
        let mut expected = [0; 32];
        argon2
            .hash_password_into(b"password", SALT, &mut expected)
            .unwrap();
        for blocks in [0, 8, 7_168, 20_000] {
            let mut memory = HashMemory::new(blocks).unwrap();
            assert_eq!(
                memory
                    .compute(&argon2, b"password", SALT, 32)
                    .unwrap()
                    .as_bytes(),
                expected
            );
            assert_eq!(memory.blocks.len(), blocks);
        }
    }

    #[test]
    fn zeroized_memory_contains_only_zeros() {
        let mut memory = HashMemory::new(7_168).unwrap();
        memory
            .compute(&smallest_argon2(), b"password", SALT, 32)
            .unwrap();
        assert!(!memory.is_zeroed());
        memory.zeroize();
        assert!(memory.is_zeroed());
    }

    #[test]
    fn failed_allocation_is_an_error() {
        assert!(matches!(
            HashMemory::new(usize::MAX),
            Err(HashError::Memory(_))
        ));
    }
}
