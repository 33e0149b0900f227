//! Identifiers of resources. Each resource has its own type, so that ids of different resources can't be mixed up.

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

/// Defines id types. `as` sets the schema name in the OpenAPI document where it differs.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $(as $schema_name:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, AsExpression, FromSqlRow, utoipa::ToSchema)]
        #[diesel(sql_type = SqlUuid)]
        #[serde(transparent)]
        #[schema($(as = $schema_name,)? value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Creates a UUID version 7, which sorts by its creation time.
            #[must_use]
            pub fn new(now: DateTime<Utc>) -> Self {
                let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// Parses a path segment. An invalid UUID becomes the nil UUID, which no resource has, so the request is
            /// answered with 404.
            #[must_use]
            pub fn from_path(text: &str) -> Self {
                text.parse().unwrap_or(Self(Uuid::nil()))
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated form is accepted; forms with braces or `urn:uuid:` would be aliases of the same id.
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
    /// A session; the `sid` claim of its access tokens.
    SessionId;
    /// A personal access token.
    PersonalTokenId as TokenId;
    /// A service client.
    ClientId;
    /// The grant of one access token to a service client; the `sid` claim of that token.
    ClientGrantId;
    /// An outgoing mail.
    MailId;
    /// An invite.
    InviteId;
    /// An entry of the audit log.
    AuditEventId as EventId;
}
