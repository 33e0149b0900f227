//! The advisory locks, one for each invariant that spans rows. A decision about such an invariant is taken from facts
//! that are read after its lock.

use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};

/// An invariant that spans rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// Who may do what: roles, ranks, permissions, active states, the last SuperAdmin.
    Authority,
    /// There is one signing key in use.
    SigningKeys,
    /// The hash chain over the audit log has one end.
    AuditChain,
}

impl Invariant {
    const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::SigningKeys => "signing_keys",
            Self::AuditChain => "audit_chain",
        }
    }
}

/// Waits until nobody else holds the invariant's lock in any way, and holds it until the transaction ends: for acts that
/// change the facts.
///
/// # Errors
/// When the statement fails.
pub fn change(conn: &mut PgConnection, invariant: Invariant) -> QueryResult<()> {
    take(
        conn,
        "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':' || $1, 0))",
        invariant,
    )
}

/// [`change`] without waiting: whether the lock could be had.
///
/// # Errors
/// When the statement fails.
pub fn try_change(conn: &mut PgConnection, invariant: Invariant) -> QueryResult<bool> {
    let call =
        sql::<Bool>("pg_try_advisory_xact_lock(hashtextextended(current_schema() || ':' || ")
            .bind::<Text, _>(invariant.name())
            .sql(", 0))");
    diesel::select(call).get_result(conn)
}

/// Holds the facts still until the transaction ends, together with others who rely on them: for acts that decide by them.
///
/// # Errors
/// When the statement fails.
pub fn rely(conn: &mut PgConnection, invariant: Invariant) -> QueryResult<()> {
    take(
        conn,
        "SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || ':' || $1, 0))",
        invariant,
    )
}

fn take(conn: &mut PgConnection, sql: &str, invariant: Invariant) -> QueryResult<()> {
    diesel::sql_query(sql)
        .bind::<Text, _>(invariant.name())
        .execute(conn)
        .map(drop)
}
