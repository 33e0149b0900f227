//! Read model across tables: everything that decides about a credential, in one query each. It joins `sessions`,
//! `personal_access_tokens` and `service_clients` with `users` and `roles`, because every request needs it.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::platform::ids::{ClientGrantId, ClientId, PersonalTokenId, SessionId, UserId};
use crate::schema::{
    client_access_tokens, personal_access_tokens, roles, service_clients, sessions, signing_keys,
    users,
};

/// What other transactions may do with a locked row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowLock {
    /// Lock it too, for an operation that changes the row.
    Exclusive,
    /// Base decisions on it, but not change it.
    Shared,
}

/// The columns of an account that decide about its credentials.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct AccountRow {
    pub id: UserId,
    pub username: String,
    pub permissions: Vec<String>,
    pub is_active: bool,
    pub deleted_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// The columns of a role that make up the authority of its accounts.
#[derive(Queryable, Selectable)]
#[diesel(table_name = roles)]
pub struct RoleAuthorityRow {
    pub name: String,
    pub rank: i32,
    pub permissions: Vec<String>,
}

/// The columns of a session that decide whether it is valid.
#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionCredentialRow {
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub idle_timeout_seconds: i64,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub generation: i32,
    pub rotated_at: DateTime<Utc>,
    pub successor_used_at: Option<DateTime<Utc>>,
}

/// The columns of a personal access token that decide what it permits.
#[derive(Queryable, Selectable)]
#[diesel(table_name = personal_access_tokens)]
pub struct TokenCredentialRow {
    pub id: PersonalTokenId,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The columns of a service client that decide about its grants.
#[derive(Queryable, Selectable)]
#[diesel(table_name = service_clients)]
pub struct ClientCredentialRow {
    pub id: ClientId,
    pub name: String,
    pub permissions: Vec<String>,
    pub rank: i32,
    pub is_active: bool,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The columns of an access token grant that decide what it permits.
#[derive(Queryable, Selectable)]
#[diesel(table_name = client_access_tokens)]
pub struct ClientTokenOwnerRow {
    pub id: ClientGrantId,
    pub permissions: Vec<String>,
    pub expires_at: DateTime<Utc>,
}

/// Whether tokens that this key signed are accepted.
pub fn is_signing_key_accepted(
    conn: &mut PgConnection,
    kid: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let is_unexpired = signing_keys::expires_at
        .is_null()
        .or(signing_keys::expires_at.gt(now));
    let key = signing_keys::table.filter(signing_keys::kid.eq(kid).and(is_unexpired));
    diesel::select(diesel::dsl::exists(key)).get_result(conn)
}

/// A session with its account and the account's role.
pub fn find_session(
    conn: &mut PgConnection,
    id: SessionId,
) -> QueryResult<Option<(SessionCredentialRow, AccountRow, RoleAuthorityRow)>> {
    sessions::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(sessions::id.eq(id))
        .select((
            SessionCredentialRow::as_select(),
            AccountRow::as_select(),
            RoleAuthorityRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// A personal access token with its account and the account's role.
pub fn find_token_by_digest(
    conn: &mut PgConnection,
    digest: &[u8],
) -> QueryResult<Option<(TokenCredentialRow, AccountRow, RoleAuthorityRow)>> {
    personal_access_tokens::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(personal_access_tokens::digest.eq(digest))
        .select((
            TokenCredentialRow::as_select(),
            AccountRow::as_select(),
            RoleAuthorityRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// A personal access token with its account and the account's role, by id.
pub fn find_token(
    conn: &mut PgConnection,
    id: PersonalTokenId,
) -> QueryResult<Option<(TokenCredentialRow, AccountRow, RoleAuthorityRow)>> {
    personal_access_tokens::table
        .inner_join(users::table.inner_join(roles::table))
        .filter(personal_access_tokens::id.eq(id))
        .select((
            TokenCredentialRow::as_select(),
            AccountRow::as_select(),
            RoleAuthorityRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// An account with its role.
pub fn find_account(
    conn: &mut PgConnection,
    id: UserId,
) -> QueryResult<Option<(AccountRow, RoleAuthorityRow)>> {
    users::table
        .inner_join(roles::table)
        .filter(users::id.eq(id))
        .select((AccountRow::as_select(), RoleAuthorityRow::as_select()))
        .first(conn)
        .optional()
}

/// The password version of an account.
pub fn find_password_version(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<i64>> {
    users::table
        .find(id)
        .select(users::password_version)
        .first(conn)
        .optional()
}

/// A service client.
pub fn find_client(
    conn: &mut PgConnection,
    id: ClientId,
) -> QueryResult<Option<ClientCredentialRow>> {
    service_clients::table
        .find(id)
        .select(ClientCredentialRow::as_select())
        .first(conn)
        .optional()
}

/// An access token grant with its service client.
pub fn find_client_grant(
    conn: &mut PgConnection,
    id: ClientGrantId,
) -> QueryResult<Option<(ClientTokenOwnerRow, ClientCredentialRow)>> {
    client_access_tokens::table
        .inner_join(service_clients::table)
        .filter(client_access_tokens::id.eq(id))
        .select((
            ClientTokenOwnerRow::as_select(),
            ClientCredentialRow::as_select(),
        ))
        .first(conn)
        .optional()
}

/// Locks an account until the transaction ends, if it exists.
pub fn lock_account(conn: &mut PgConnection, id: UserId, lock: RowLock) -> QueryResult<()> {
    let account = users::table.find(id).select(users::id);
    match lock {
        RowLock::Shared => account.for_share().execute(conn),
        RowLock::Exclusive => account.for_update().execute(conn),
    }
    .map(drop)
}

/// Locks a service client until the transaction ends, if it exists.
pub fn lock_client(conn: &mut PgConnection, id: ClientId, lock: RowLock) -> QueryResult<()> {
    let client = service_clients::table.find(id).select(service_clients::id);
    match lock {
        RowLock::Shared => client.for_share().execute(conn),
        RowLock::Exclusive => client.for_update().execute(conn),
    }
    .map(drop)
}

/// Locks the roles of these accounts in shared mode and in the order of their names, until the transaction ends.
pub fn lock_roles_of_accounts(conn: &mut PgConnection, accounts: &[UserId]) -> QueryResult<()> {
    let names = users::table
        .filter(users::id.eq_any(accounts))
        .select(users::role);
    roles::table
        .filter(roles::name.eq_any(names))
        .order(roles::name)
        .select(roles::name)
        .for_share()
        .execute(conn)
        .map(drop)
}
