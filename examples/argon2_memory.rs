//! Measures how much faster Argon2 is when a thread reuses its working memory instead of allocating it for each hash.
//!
//! `MALLOC_MMAP_THRESHOLD_=1048576 cargo run --release --example argon2_memory`. Without the variable, glibc reuses freed
//! memory and the difference is small.

use std::io::Write;
use std::time::{Duration, Instant};
use std::{io, thread};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const SALT: &[u8] = b"sixteen bytes...";
const ROUNDS: usize = 61;

/// Median times.
struct Medians {
    reused: Duration,
    zeroizing: Duration,
    allocated: Duration,
}

fn main() -> io::Result<()> {
    for threads in [1, 2] {
        let handles: Vec<_> = (0..threads).map(|_| thread::spawn(measure)).collect();
        for handle in handles {
            let result = handle
                .join()
                .map_err(|_| io::Error::other("a measuring thread panicked"))?;
            let medians = result.map_err(io::Error::other)?;
            let Medians {
                reused,
                zeroizing,
                allocated,
            } = medians;
            let ratio = allocated.div_duration_f64(reused);
            writeln!(
                io::stdout(),
                "{threads} threads: reused {reused:?} (zeroizing {zeroizing:?}), allocated {allocated:?}, {ratio:.2} times"
            )?;
        }
    }
    Ok(())
}

fn measure() -> Result<Medians, argon2::Error> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None)?;
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; 32];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        argon2.hash_password_into_with_memory(b"password", SALT, &mut hash, &mut memory)?;
        times[0].push(started.elapsed());

        let started = Instant::now();
        memory.iter_mut().for_each(Zeroize::zeroize);
        times[1].push(started.elapsed());

        let started = Instant::now();
        argon2.hash_password_into(b"password", SALT, &mut hash)?;
        times[2].push(started.elapsed());
    }
    let [reused, zeroizing, allocated] = times.map(median);
    Ok(Medians {
        reused,
        zeroizing,
        allocated,
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
