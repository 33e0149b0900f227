//! Transaction-level advisory locks, one per [`Invariant`] that spans several rows. A decision about an invariant uses
//! only rows that were read after its lock was taken. In a transaction of [`Db`](super::Db), `current_schema()` is the
//! schema of the tables, so all processes derive the same lock key.

use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};

/// A rule that spans several rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// Roles, the permission catalogue, and who has which role, rank and permissions. Operations that only depend on the
    /// caller and one account lock the rows instead, see `access::authentication::row_locks`.
    Authority,
    /// The last `SuperAdmin` who can always sign in stays. Taken after all row locks.
    SuperAdmins,
    /// Only one signing key is in use.
    SigningKeys,
    /// Only one pepper is created at the first start.
    Peppers,
    /// The hash chain of the audit log has one end.
    AuditChain,
    /// The number of service clients of one creator.
    ClientsPerCreator,
    /// All running replicas share their settings.
    Replicas,
}

impl Invariant {
    /// The name that the lock key is derived from.
    const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::SuperAdmins => "super_admins",
            Self::SigningKeys => "signing_keys",
            Self::Peppers => "peppers",
            Self::AuditChain => "audit_chain",
            Self::ClientsPerCreator => "clients_per_creator",
            Self::Replicas => "replicas",
        }
    }
}

/// Takes the lock in exclusive mode until the end of the transaction. For operations that change the rows of the
/// invariant.
///
/// # Errors
/// Database errors.
pub fn lock_exclusive(conn: &mut PgConnection, invariant: Invariant) -> QueryResult<()> {
    execute_lock(
        conn,
        "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':' || $1, 0))",
        invariant,
    )
}

/// Like [`lock_exclusive`], but returns `false` instead of waiting when another transaction holds the lock.
///
/// # Errors
/// Database errors.
pub fn try_lock_exclusive(conn: &mut PgConnection, invariant: Invariant) -> QueryResult<bool> {
    let call =
        sql::<Bool>("pg_try_advisory_xact_lock(hashtextextended(current_schema() || ':' || ")
            .bind::<Text, _>(invariant.name())
            .sql(", 0))");
    diesel::select(call).get_result(conn)
}

/// Takes the lock in shared mode until the end of the transaction. For operations that read the rows of the invariant
/// to make a decision, and do not change them.
///
/// # Errors
/// Database errors.
pub fn lock_shared(conn: &mut PgConnection, invariant: Invariant) -> QueryResult<()> {
    execute_lock(
        conn,
        "SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || ':' || $1, 0))",
        invariant,
    )
}

fn execute_lock(conn: &mut PgConnection, sql: &str, invariant: Invariant) -> QueryResult<()> {
    diesel::sql_query(sql)
        .bind::<Text, _>(invariant.name())
        .execute(conn)
        .map(drop)
}
