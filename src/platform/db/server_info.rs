//! The version and the clock of the PostgreSQL server, and whether the role is a superuser.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::RunQueryDsl;
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer, Text, Timestamptz};

use super::Tx;
use crate::platform::clock::OffsetMeasurement;
use crate::platform::error::AppError;

/// Facts about a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The full version, such as `15.14`.
    pub version: String,
    /// The major version.
    pub major: i32,
    /// Whether the role of the connection is a superuser.
    pub is_superuser: bool,
    /// The server's time minus this machine's time, corrected by half of the round trip.
    pub clock_offset: TimeDelta,
}

/// Reads the facts from the server.
///
/// # Errors
/// Database errors.
pub fn server_info(tx: &mut Tx<'_>) -> Result<ServerInfo, AppError> {
    let (version, version_number, is_superuser): (String, i32, bool) = diesel::select((
        sql::<Text>("current_setting('server_version')"),
        sql::<Integer>("current_setting('server_version_num')::integer"),
        sql::<Bool>("current_setting('is_superuser')::boolean"),
    ))
    .get_result(tx.conn)?;
    let measurement = OffsetMeasurement::begin();
    let (clock_offset, _) = measurement.finish(server_time(tx)?);
    Ok(ServerInfo {
        version,
        major: version_number / 10_000,
        is_superuser,
        clock_offset,
    })
}

/// Measures the difference between the clocks of this machine and of the server, for `clock::now`.
///
/// # Errors
/// Database errors.
pub fn measure_clock(tx: &mut Tx<'_>) -> Result<(), AppError> {
    let measurement = OffsetMeasurement::begin();
    measurement.apply(server_time(tx)?);
    Ok(())
}

fn server_time(tx: &mut Tx<'_>) -> Result<DateTime<Utc>, AppError> {
    Ok(diesel::select(sql::<Timestamptz>("clock_timestamp()")).get_result(tx.conn)?)
}
