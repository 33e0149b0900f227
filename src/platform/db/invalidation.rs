//! What a transaction changed that others remember: told to this process when the transaction has ended, and to every
//! other by the triggers of the same tables (`NOTIFY`).

use std::str::FromStr;

use uuid::Uuid;

/// Something that is remembered outside the database and is now out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// An account or a service client: its standing, what it is called, its sessions or tokens.
    Principal(Uuid),
    /// Every account: a role, or the catalogue.
    All,
    /// The signing keys.
    Keys,
}

impl FromStr for Invalidation {
    type Err = ();

    /// Reads what the triggers write: `party:<uuid>`, `everyone` or `keys`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "everyone" => Ok(Self::All),
            "keys" => Ok(Self::Keys),
            _ => {
                let id = text.strip_prefix("party:").ok_or(())?;
                Uuid::parse_str(id).map(Self::Principal).map_err(|_| ())
            }
        }
    }
}
