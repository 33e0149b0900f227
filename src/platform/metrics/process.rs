//! Metrics of the process with the standard names of Prometheus client libraries, read from Linux's /proc (proc(5)). A
//! value that cannot be read is NaN.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{Error, Registry};

use super::callback_metric::CallbackMetric;

pub(super) fn register(registry: &Registry, start: SystemTime) -> Result<(), Error> {
    let register = |name, help, read_value: fn() -> f64| {
        registry.register(Box::new(CallbackMetric::new(
            name,
            help,
            &[],
            Box::new(read_value),
        )?))
    };
    register(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        || resident_bytes().unwrap_or(f64::NAN),
    )?;
    register(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        cpu_seconds,
    )?;
    register(
        "process_open_fds",
        "Number of open file descriptors.",
        || open_file_descriptors().unwrap_or(f64::NAN),
    )?;
    let start_seconds = start
        .duration_since(UNIX_EPOCH)
        .map_or(f64::NAN, |elapsed| elapsed.as_secs_f64());
    registry.register(Box::new(CallbackMetric::new(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        &[],
        Box::new(move || start_seconds),
    )?))
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024.0)
}

/// The CPU time of all threads of this process.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
    .as_secs_f64()
}

fn open_file_descriptors() -> Option<f64> {
    // Without the descriptor that reads the directory.
    let count = fs::read_dir("/proc/self/fd")
        .ok()?
        .count()
        .saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}
