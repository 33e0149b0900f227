//! The time. Replicas whose machines disagree about the time must agree about which tokens have expired, so they all use the
//! clock of the database: that of this machine, corrected by the measured difference.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// The largest difference between this machine and the database at which the service is ready.
pub const MAX_OFFSET: TimeDelta = TimeDelta::seconds(30);

/// The time of the database minus that of this machine, in microseconds. A process uses one database only.
static OFFSET_MICROS: AtomicI64 = AtomicI64::new(0);

/// The time of the database, as last measured. That of this machine before the first measurement.
#[must_use]
pub fn now() -> DateTime<Utc> {
    local_now() + offset()
}

/// The time of the database minus that of this machine, as last measured.
#[must_use]
pub fn offset() -> TimeDelta {
    TimeDelta::microseconds(OFFSET_MICROS.load(Ordering::Relaxed))
}

/// A measurement of the difference, from before a query that returns the time of the database until its result.
pub struct OffsetMeasurement {
    start: DateTime<Utc>,
}

impl OffsetMeasurement {
    /// Begins before the query.
    #[must_use]
    pub fn begin() -> Self {
        Self { start: local_now() }
    }

    /// The time of the database minus that of this machine, and by how much this can be wrong.
    #[must_use]
    pub fn finish(self, database_time: DateTime<Utc>) -> (TimeDelta, TimeDelta) {
        let uncertainty = (local_now() - self.start) / 2;
        (database_time - (self.start + uncertainty), uncertainty)
    }

    /// Uses the result from now on, if it differs from the last one by more than the measurement can be wrong.
    pub fn apply(self, database_time: DateTime<Utc>) {
        let (measured, uncertainty) = self.finish(database_time);
        if (measured - offset()).abs() > uncertainty + TimeDelta::milliseconds(50)
            && let Some(micros) = measured.num_microseconds()
        {
            OFFSET_MICROS.store(micros, Ordering::Relaxed);
        }
    }
}

/// The time of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the system clock for requests"
)]
fn local_now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_measured_up_to_the_duration_of_the_query() {
        let ahead = TimeDelta::hours(1);
        let measurement = OffsetMeasurement::begin();
        let database_time = local_now() + ahead;
        let (measured, uncertainty) = measurement.finish(database_time);
        assert!((measured - ahead).abs() <= uncertainty + TimeDelta::microseconds(1));
    }
}
