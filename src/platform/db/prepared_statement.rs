//! Raw SQL statements as cached prepared statements.

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// A `diesel::sql_query` whose text never changes, prepared once per connection.
///
/// Diesel does not cache plain `sql_query` statements: each execution takes two round trips, one to prepare and one to
/// run the statement.
#[derive(Debug)]
pub struct PreparedStatement<Q>(pub Q);

impl<Q, DB> QueryFragment<DB> for PreparedStatement<Q>
where
    Q: QueryFragment<DB>,
    DB: Backend,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

/// Has no static id, so that diesel uses the SQL text as the cache key.
impl<Q> QueryId for PreparedStatement<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for PreparedStatement<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C: Connection> RunQueryDsl<C> for PreparedStatement<Q> {}
