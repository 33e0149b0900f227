//! The values of settings that are `auto`, derived from the machine.

use std::thread::available_parallelism;

use rustix::process::{Resource, getrlimit};

pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Most statements take less than a millisecond, so a few connections per core keep the database busy while some of them
/// wait for the disk: 8 connections reached the highest measured throughput on 2 cores. The minimum of 8 keeps a few slow
/// writes from delaying short reads.
pub(super) fn automatic_pool_size(cores: usize) -> usize {
    (4 * cores).max(8)
}

/// The remaining open files are for the database, for connections that are answered with 503, and for those that close.
pub(super) fn automatic_max_connections(open_files: u64) -> usize {
    usize::try_from(open_files / 4 * 3).map_or(10_000, |count| count.clamp(10, 10_000))
}

/// The hard limit on open files, to which the service raises its soft limit.
pub(super) fn open_files_limit() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}
