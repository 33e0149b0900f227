//! What the server says of itself, for whoever looks after it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::RunQueryDsl;
use diesel::dsl::sql;
use diesel::sql_types::{Integer, Text, Timestamptz};

use super::{Tx, process_clock};
use crate::platform::error::AppError;

/// A PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its version, such as `15.14`.
    pub version: String,
    /// The first part of its version.
    pub major: i32,
    /// How far its clock is ahead of this machine's; behind, when negative. Half of the way there and back is taken off.
    pub clock_ahead: TimeDelta,
}

/// Asks it.
///
/// # Errors
/// When the database fails.
pub fn about(tx: &mut Tx<'_>) -> Result<ServerInfo, AppError> {
    let (version, number): (String, i32) = diesel::select((
        sql::<Text>("current_setting('server_version')"),
        sql::<Integer>("current_setting('server_version_num')::integer"),
    ))
    .get_result(tx.conn)?;
    let asked = process_clock();
    let theirs: DateTime<Utc> =
        diesel::select(sql::<Timestamptz>("clock_timestamp()")).get_result(tx.conn)?;
    let ours = asked + (process_clock() - asked) / 2;
    Ok(ServerInfo {
        version,
        major: number / 10_000,
        clock_ahead: theirs - ours,
    })
}
