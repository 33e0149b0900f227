//! Invalidations: what a transaction changed that is cached outside the database. This process receives them from
//! [`super::Db::on_invalidation`], other processes through the `NOTIFY` triggers of the changed tables.

use std::str::FromStr;

use uuid::Uuid;

/// Which cached values are out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// An account or a service client: its status, name, permissions, sessions or tokens.
    Principal(Uuid),
    /// Every principal: a role or the permission catalogue changed.
    All,
    /// The signing keys.
    SigningKeys,
}

impl FromStr for Invalidation {
    type Err = ();

    /// Parses the payload of the triggers: `principal:<uuid>`, `all_principals` or `signing_keys`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "all_principals" => Ok(Self::All),
            "signing_keys" => Ok(Self::SigningKeys),
            _ => {
                let id = text.strip_prefix("principal:").ok_or(())?;
                Uuid::parse_str(id).map(Self::Principal).map_err(|_| ())
            }
        }
    }
}
