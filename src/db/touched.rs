//! What a transaction changed that others remember: told to this process when the transaction has ended, and to every
//! other by the triggers of the same tables (`NOTIFY`).

use std::str::FromStr;

use uuid::Uuid;

/// Something that is remembered outside the database and is now out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// An account or a service client: its standing, what it is called, its sessions or tokens.
    Party(Uuid),
    /// Every account: a role, or the catalogue.
    Everyone,
    /// The signing keys.
    Keys,
}

impl FromStr for Touched {
    type Err = ();

    /// Reads what the triggers write: `party:<uuid>`, `everyone` or `keys`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "everyone" => Ok(Self::Everyone),
            "keys" => Ok(Self::Keys),
            _ => {
                let id = text.strip_prefix("party:").ok_or(())?;
                Uuid::parse_str(id).map(Self::Party).map_err(|_| ())
            }
        }
    }
}
