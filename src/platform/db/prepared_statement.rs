//! Statements written out in SQL that are parsed and planned once for each connection, as those are that diesel builds.

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// A `diesel::sql_query` with its values bound, whose text is the same at each use.
///
/// Diesel takes any text to be written for one use, and so asks the server twice for each: to prepare it, then to run it.
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

/// Known by its text.
impl<Q> QueryId for PreparedStatement<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for PreparedStatement<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C: Connection> RunQueryDsl<C> for PreparedStatement<Q> {}
