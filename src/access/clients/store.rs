//! Queries on the tables `service_clients` and `client_access_tokens`.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use uuid::Uuid;

use crate::platform::db::{IdPrefix, delete_batch};
use crate::platform::ids::{ClientGrantId, ClientId};
use crate::schema::{client_access_tokens, service_clients};

/// A row of `service_clients`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = service_clients)]
pub struct ClientRow {
    pub id: ClientId,
    pub name: String,
    pub secret_digest: Vec<u8>,
    pub permissions: Vec<String>,
    pub rank: i32,
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub secret_created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_by: Option<Uuid>,
    pub secret_known_to: Option<Uuid>,
    pub secret_known_to_kind: String,
    pub secret_holder_version: Option<i64>,
}

/// A new secret: its digest, and who knows it.
#[derive(AsChangeset)]
#[diesel(table_name = service_clients)]
#[diesel(treat_none_as_null = true)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub struct ClientSecretChangeset {
    pub secret_digest: Vec<u8>,
    pub secret_created_at: DateTime<Utc>,
    pub secret_known_to: Option<Uuid>,
    pub secret_known_to_kind: String,
    pub secret_holder_version: Option<i64>,
}

/// The columns that an update sets. `None` leaves a column as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = service_clients)]
pub struct ClientChangeset {
    pub name: Option<String>,
    pub permissions: Option<Vec<String>>,
    pub rank: Option<i32>,
    pub is_active: Option<bool>,
}

/// A row of `client_access_tokens`: the grant of one access token.
#[derive(Insertable)]
#[diesel(table_name = client_access_tokens)]
pub struct ClientAccessTokenRow {
    pub id: ClientGrantId,
    pub client_id: ClientId,
    pub permissions: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub fn insert(conn: &mut PgConnection, row: &ClientRow) -> QueryResult<usize> {
    diesel::insert_into(service_clients::table)
        .values(row)
        .execute(conn)
}

/// The number of clients that this user or client created.
pub fn count_created_by(conn: &mut PgConnection, creator: Uuid) -> QueryResult<i64> {
    service_clients::table
        .filter(service_clients::created_by.eq(creator))
        .count()
        .get_result(conn)
}

pub fn find(conn: &mut PgConnection, id: ClientId) -> QueryResult<Option<ClientRow>> {
    service_clients::table
        .find(id)
        .select(ClientRow::as_select())
        .first(conn)
        .optional()
}

/// The client with this name, compared case-insensitively.
pub fn find_by_name(conn: &mut PgConnection, name: &str) -> QueryResult<Option<ClientRow>> {
    service_clients::table
        .filter(lower(service_clients::name).eq(lower(name)))
        .select(ClientRow::as_select())
        .first(conn)
        .optional()
}

/// The client, locked in shared mode until the transaction ends: it cannot be changed, but others can read it the same way.
pub fn find_for_share(conn: &mut PgConnection, id: ClientId) -> QueryResult<Option<ClientRow>> {
    service_clients::table
        .find(id)
        .select(ClientRow::as_select())
        .for_share()
        .first(conn)
        .optional()
}

/// At most `limit` clients after `after`, the newest first.
pub fn list(
    conn: &mut PgConnection,
    after: Option<ClientId>,
    limit: i64,
) -> QueryResult<Vec<ClientRow>> {
    let mut query = service_clients::table
        .order(service_clients::id.desc())
        .limit(limit)
        .select(ClientRow::as_select())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(service_clients::id.lt(after));
    }
    query.load(conn)
}

pub fn count(conn: &mut PgConnection) -> QueryResult<i64> {
    service_clients::table.count().get_result(conn)
}

/// Updates a client and increments its version.
pub fn update(
    conn: &mut PgConnection,
    id: ClientId,
    now: DateTime<Utc>,
    changes: &ClientChangeset,
) -> QueryResult<usize> {
    diesel::update(service_clients::table.find(id))
        .set((
            changes,
            service_clients::updated_at.eq(now),
            service_clients::version.eq(service_clients::version + 1),
        ))
        .execute(conn)
}

/// Replaces the secret of a client and increments the client's version.
pub fn set_secret(
    conn: &mut PgConnection,
    id: ClientId,
    secret: &ClientSecretChangeset,
) -> QueryResult<usize> {
    diesel::update(service_clients::table.find(id))
        .set((
            secret,
            service_clients::updated_at.eq(secret.secret_created_at),
            service_clients::version.eq(service_clients::version + 1),
        ))
        .execute(conn)
}

/// Replaces the secrets of all clients and increments the clients' versions.
pub fn set_all_secrets(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    digest: &[u8],
) -> QueryResult<usize> {
    diesel::update(service_clients::table)
        .set((
            service_clients::secret_digest.eq(digest),
            service_clients::secret_created_at.eq(now),
            service_clients::updated_at.eq(now),
            service_clients::version.eq(service_clients::version + 1),
        ))
        .execute(conn)
}

pub fn delete(conn: &mut PgConnection, id: ClientId) -> QueryResult<usize> {
    diesel::delete(service_clients::table.find(id)).execute(conn)
}

pub fn delete_grants_of_client(conn: &mut PgConnection, client: ClientId) -> QueryResult<usize> {
    diesel::delete(client_access_tokens::table.filter(client_access_tokens::client_id.eq(client)))
        .execute(conn)
}

pub fn insert_grant(conn: &mut PgConnection, row: &ClientAccessTokenRow) -> QueryResult<usize> {
    diesel::insert_into(client_access_tokens::table)
        .values(row)
        .execute(conn)
}

pub fn delete_grant(
    conn: &mut PgConnection,
    client: ClientId,
    id: ClientGrantId,
) -> QueryResult<usize> {
    diesel::delete(
        client_access_tokens::table
            .find(id)
            .filter(client_access_tokens::client_id.eq(client)),
    )
    .execute(conn)
}

/// Deletes the grants that expired before `limit`.
pub fn delete_grants_expired_before(
    conn: &mut PgConnection,
    limit: DateTime<Utc>,
) -> QueryResult<usize> {
    delete_batch(conn, "client_access_tokens", "expires_at < $1", limit)
}

/// Deletes the grants of all clients and returns their number.
pub fn delete_all_grants(conn: &mut PgConnection) -> QueryResult<usize> {
    diesel::delete(client_access_tokens::table).execute(conn)
}

diesel::define_sql_function! {
    /// Lower case, as in the unique index on names.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// Sets the time of the last use, if it is later than the stored one.
pub fn set_last_used(
    conn: &mut PgConnection,
    id: ClientId,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let is_earlier = service_clients::last_used_at
        .is_null()
        .or(service_clients::last_used_at.lt(now));
    diesel::update(
        service_clients::table
            .filter(service_clients::id.eq(id))
            .filter(is_earlier),
    )
    .set(service_clients::last_used_at.eq(now))
    .execute(conn)
}

/// At most two ids that begin with this prefix.
pub fn find_ids(conn: &mut PgConnection, prefix: IdPrefix) -> QueryResult<Vec<Uuid>> {
    prefix.find_in(conn, "service_clients")
}
