//! The process itself, under the names that Prometheus' own clients use, read from Linux's /proc (proc(5)).
//! What can't be read is not a number, never a made-up one.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Error, Metrics};

pub(super) fn watch(metrics: &Metrics, started: SystemTime) -> Result<(), Error> {
    metrics.watch(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        || resident_bytes().unwrap_or(f64::NAN),
    )?;
    metrics.watch(
        "process_open_fds",
        "Number of open file descriptors.",
        || open_files().unwrap_or(f64::NAN),
    )?;
    let started = started
        .duration_since(UNIX_EPOCH)
        .map_or(f64::NAN, |since| since.as_secs_f64());
    metrics.watch(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        move || started,
    )
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024.0)
}

fn open_files() -> Option<f64> {
    // One of them is the directory while it is being read.
    let count = fs::read_dir("/proc/self/fd")
        .ok()?
        .count()
        .saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}
