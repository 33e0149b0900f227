//! Queries on the table `replicas`. The heartbeat of a replica is written by `platform::db::HeartbeatWriter`.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::replicas;

/// The shared settings of a replica; `None` for a process that serves no requests.
#[derive(Queryable, Selectable)]
#[diesel(table_name = replicas)]
pub struct ReplicaSettingsRow {
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub app_audiences: Option<Vec<String>>,
    pub secret_key_id: Option<Vec<u8>>,
}

#[derive(Insertable)]
#[diesel(table_name = replicas)]
pub struct NewReplica<'a> {
    pub id: Uuid,
    pub heartbeat: Uuid,
    pub issuer: &'a str,
    pub audience: &'a str,
    pub app_audiences: &'a [String],
    pub secret_key_id: &'a [u8],
}

/// The settings of the replicas that were seen after `since`, the oldest replica first.
pub fn seen_after(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> QueryResult<Vec<ReplicaSettingsRow>> {
    replicas::table
        .filter(replicas::last_seen_at.gt(since))
        .order(replicas::started_at)
        .select(ReplicaSettingsRow::as_select())
        .load(conn)
}

pub fn insert(conn: &mut PgConnection, replica: &NewReplica<'_>) -> QueryResult<usize> {
    diesel::insert_into(replicas::table)
        .values(replica)
        .execute(conn)
}

pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(replicas::table.find(id)).execute(conn)
}

/// Deletes the replicas that were not seen after `limit`.
pub fn delete_not_seen_after(conn: &mut PgConnection, limit: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(replicas::table.filter(replicas::last_seen_at.lt(limit))).execute(conn)
}
