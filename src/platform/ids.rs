//! The identifiers of things, each a type of its own so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::Uuid as SqlUuid;
use diesel::{deserialize, serialize};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, AsExpression, FromSqlRow, utoipa::ToSchema)]
        #[diesel(sql_type = SqlUuid)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one (UUID version 7): sorts by the time it was made.
            #[must_use]
            pub fn new(now: DateTime<Utc>) -> Self {
                let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// Reads one from an address. What is no UUID becomes the nil UUID, which nothing ever has:
            /// such an address is simply not found.
            #[must_use]
            pub fn from_path(text: &str) -> Self {
                text.parse().unwrap_or(Self(Uuid::nil()))
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated form: braces, `urn:uuid:` and the like are other names for the same thing.
                if text.len() == 36 { text.parse().map(Self) } else { Uuid::parse_str("-").map(Self) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl ToSql<SqlUuid, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                ToSql::<SqlUuid, Pg>::to_sql(&self.0, out)
            }
        }

        impl deserialize::FromSql<SqlUuid, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <Uuid as deserialize::FromSql<SqlUuid, Pg>>::from_sql(value).map(Self)
            }
        }
    )*};
}

ids! {
    /// An account.
    UserId;
    /// A signed-in session; the `sid` of its access tokens.
    SessionId;
    /// A personal access token.
    TokenId;
    /// A service client.
    ClientId;
    /// What a service client was given with one access token; that token's `sid`.
    GrantId;
    /// A letter that is to be sent.
    MailId;
    /// An invite.
    InviteId;
    /// A line of the audit log.
    EventId;
}
