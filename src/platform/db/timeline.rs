//! The role and the timeline of a server. PostgreSQL increases the timeline at each promotion. So if two servers accept
//! writes, the one with the higher timeline is the primary, and the other one was the primary before it.

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::PgConnection;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel::{QueryResult, RunQueryDsl};

/// The number of promotions in the history of a server, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeline(u32);

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRole {
    /// It accepts writes. The timeline is `None` if the server does not tell it.
    Primary(Option<Timeline>),
    /// It replays the writes of a primary, with a delay.
    Standby,
}

/// Whether the answers of a server may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is the primary, as far as this process knows.
    Current,
    /// It was promoted after every server that this process has seen. The others must not be used any more.
    Newer(Timeline),
    /// It must not be used.
    Refused(&'static str),
}

/// The columns of a query from which [`ServerRole::from_columns`] reads the role.
pub type RoleColumns = (SqlLiteral<Bool>, SqlLiteral<Nullable<BigInt>>);

/// An SQL expression with the timeline of a server that is not in recovery, else null.
pub const TIMELINE: &str = "CASE WHEN pg_is_in_recovery() THEN NULL \
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END";

impl Timeline {
    /// The value of [`TIMELINE`].
    pub fn from_column(column: Option<i64>) -> Option<Self> {
        column.and_then(|id| u32::try_from(id).ok()).map(Self)
    }

    /// The number, for the log.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl ServerRole {
    /// The columns that are read from a server. `has_timeline` is false for servers without the functions of PostgreSQL for
    /// the write-ahead log.
    pub fn columns(has_timeline: bool) -> RoleColumns {
        let timeline = if has_timeline {
            TIMELINE
        } else {
            "NULL::bigint"
        };
        (sql("pg_is_in_recovery()"), sql(timeline))
    }

    pub fn from_columns((is_in_recovery, timeline): (bool, Option<i64>)) -> Self {
        if is_in_recovery {
            Self::Standby
        } else {
            Self::Primary(Timeline::from_column(timeline))
        }
    }

    /// Runs `query` with the columns of the role. If the server does not have the functions, `query` runs again without them.
    ///
    /// # Errors
    /// Database errors.
    pub fn query<T>(
        connection: &mut PgConnection,
        mut query: impl FnMut(&mut PgConnection, RoleColumns) -> QueryResult<T>,
    ) -> QueryResult<T> {
        use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
        match query(connection, Self::columns(true)) {
            Err(DieselError::DatabaseError(kind, _))
                if !matches!(kind, ClosedConnection | UnableToSendCommand) =>
            {
                query(connection, Self::columns(false))
            }
            result => result,
        }
    }

    /// Reads the role of the server.
    ///
    /// # Errors
    /// Database errors.
    pub fn read(connection: &mut PgConnection) -> QueryResult<Self> {
        Self::query(connection, |connection, columns| {
            diesel::select(columns).get_result(connection)
        })
        .map(Self::from_columns)
    }

    /// Whether the server may be used by a process that has seen `highest`.
    pub fn admission(self, highest: Option<Timeline>) -> Admission {
        match (self, highest) {
            (Self::Standby, _) => Admission::Refused("the server is a standby"),
            (Self::Primary(Some(timeline)), Some(highest)) if timeline < highest => {
                Admission::Refused("another server was promoted to primary after this one")
            }
            (Self::Primary(Some(timeline)), highest) if highest < Some(timeline) => {
                Admission::Newer(timeline)
            }
            (Self::Primary(None), Some(_)) => {
                Admission::Refused("the server does not tell its timeline")
            }
            (Self::Primary(_), _) => Admission::Current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_primary_that_was_promoted_last_is_used() {
        let seen = |id| Timeline::from_column(Some(id));
        let primary = |id| ServerRole::from_columns((false, Some(id)));
        assert_eq!(primary(3).admission(seen(3)), Admission::Current);
        assert_eq!(primary(3).admission(None), Admission::Newer(Timeline(3)));
        assert_eq!(primary(4).admission(seen(3)), Admission::Newer(Timeline(4)));
        assert!(matches!(
            primary(2).admission(seen(3)),
            Admission::Refused(_)
        ));
        for highest in [None, seen(3)] {
            let standby = ServerRole::from_columns((true, None));
            assert!(matches!(standby.admission(highest), Admission::Refused(_)));
        }
    }

    #[test]
    fn server_without_timelines_is_used_while_no_timeline_was_seen() {
        let unknown = ServerRole::from_columns((false, None));
        assert_eq!(unknown.admission(None), Admission::Current);
        let after_a_timeline = unknown.admission(Some(Timeline(2)));
        assert!(matches!(after_a_timeline, Admission::Refused(_)));
    }
}
