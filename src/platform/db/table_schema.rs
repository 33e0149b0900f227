//! The PostgreSQL schema that contains the tables of rosterd. A process decides it once: it is where the tables are, even
//! if another schema comes first in the search path or is created there later. The names that replicas and the command
//! line must agree on, such as lock keys and the notification channel, are derived from it.

use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use crate::platform::error::AppError;

/// The name of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema(String);

#[derive(diesel::QueryableByName)]
struct SchemaRow {
    #[diesel(sql_type = Text)]
    name: String,
}

impl TableSchema {
    /// The first schema in the search path that contains the tables. `None` if no migration was ever applied.
    ///
    /// # Errors
    /// Database errors.
    pub fn find(conn: &mut PgConnection) -> QueryResult<Option<Self>> {
        // The table of the first migration shows that the table of diesel belongs to rosterd and not to another program.
        const SQL: &str = "SELECT path.name::text AS name \
            FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, position) \
            WHERE to_regclass(quote_ident(path.name) || '.__diesel_schema_migrations') IS NOT NULL \
              AND to_regclass(quote_ident(path.name) || '.revocations') IS NOT NULL \
            ORDER BY path.position LIMIT 1";
        let found: Option<SchemaRow> = diesel::sql_query(SQL).get_result(conn).optional()?;
        Ok(found.map(|row| Self(row.name)))
    }

    /// The schema that contains the tables or, if there are none yet, in which they will be created.
    ///
    /// # Errors
    /// The search path contains no schema; the name is too long; database errors.
    pub fn find_or_choose(conn: &mut PgConnection) -> Result<Self, AppError> {
        /// The channel name is at most 63 bytes long and contains the name of the schema.
        const MAX_LENGTH: usize = 55;
        if let Some(found) = Self::find(conn)? {
            return Ok(found);
        }
        let chosen: Option<SchemaRow> = diesel::sql_query(
            "SELECT current_schema()::text AS name WHERE current_schema() IS NOT NULL",
        )
        .get_result(conn)
        .optional()?;
        match chosen {
            Some(row) if row.name.len() <= MAX_LENGTH => Ok(Self(row.name)),
            Some(row) => Err(AppError::internal(format!(
                "the name of the schema {} is longer than {MAX_LENGTH} bytes",
                row.name
            ))),
            None => Err(AppError::internal(
                "the search_path of DATABASE_URL contains no schema that exists",
            )),
        }
    }

    /// The name, without quotes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The channel on which the triggers of the tables send invalidations.
    #[must_use]
    pub fn channel(&self) -> String {
        format!("rosterd_{}", self.0)
    }

    /// The search path with which unqualified names mean the tables of rosterd and nothing else. Temporary tables come
    /// last, because they would otherwise come first.
    #[must_use]
    pub fn search_path(&self) -> String {
        format!("{}, pg_temp", quote_identifier(&self.0))
    }

    /// The qualified name of a table.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        format!("{}.{}", quote_identifier(&self.0), quote_identifier(name))
    }
}

/// A quoted SQL identifier.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted SQL string.
pub(super) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let schema = TableSchema("a\"b".to_owned());
        assert_eq!(schema.search_path(), "\"a\"\"b\", pg_temp");
        assert_eq!(schema.table("users"), "\"a\"\"b\".\"users\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
    }
}
