//! Computes the hashes of the chain and checks whether a row continues it. No database, no clock.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

use crate::platform::ids::AuditEventId;

/// A hash in the chain (SHA-256).
pub type Hash = [u8; 32];

/// The hash that precedes the first row.
pub const ZERO_HASH: Hash = [0; 32];

/// The newest position of a chain and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of rows that the chain has ever had.
    pub position: i64,
    /// The hash at this position.
    pub hash: Hash,
}

/// A sealed position of the chain, with the event row as it is now.
pub struct ChainLink {
    /// The position in the chain.
    pub position: i64,
    /// The event that was sealed at this position.
    pub event: AuditEventId,
    /// The current column values of that event, in hash order; `None` if the row is missing.
    pub column_values: Option<Vec<Option<String>>>,
    /// The stored hash.
    pub hash: Hash,
    /// Whether the stored MAC is valid under the current key.
    pub is_mac_valid: bool,
    /// Whether the personal data of the event is unchanged, or was erased with its user.
    pub is_personal_data_valid: bool,
}

/// How a row was tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TamperingKind {
    /// The row differs from what was sealed.
    Changed,
    /// The names or addresses that belong to the row differ from what was sealed, or are missing.
    PersonalDataChanged,
    /// The row is missing.
    Deleted,
    /// The row was not written by rosterd.
    Inserted,
    /// The MAC is not valid: another key, or not written by rosterd.
    Foreign,
}

/// The first row that fails verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tampering {
    /// How it was tampered with.
    pub kind: TamperingKind,
    /// The position in the chain, if the row has one.
    pub position: Option<i64>,
    /// The event, if known.
    pub event: Option<AuditEventId>,
}

impl ChainHead {
    /// The head of a chain without rows.
    pub const EMPTY: Self = Self {
        position: 0,
        hash: ZERO_HASH,
    };

    /// The head after one more row is appended.
    #[must_use]
    pub fn append(&self, column_values: &[Option<String>]) -> Self {
        Self {
            position: self.position + 1,
            hash: hash(&self.hash, column_values),
        }
    }

    /// The head after `link`, if `link` is a valid continuation.
    ///
    /// # Errors
    /// The tampering that was found.
    pub fn verify_link(&self, link: &ChainLink) -> Result<Self, Tampering> {
        let tampering = |kind| Tampering {
            kind,
            position: Some(link.position),
            event: Some(link.event),
        };
        if link.position != self.position + 1 {
            return Err(Tampering {
                kind: TamperingKind::Deleted,
                position: Some(self.position + 1),
                event: None,
            });
        }
        if !link.is_mac_valid {
            return Err(tampering(TamperingKind::Foreign));
        }
        let column_values = link
            .column_values
            .as_ref()
            .ok_or_else(|| tampering(TamperingKind::Deleted))?;
        let next = self.append(column_values);
        if next.hash != link.hash {
            Err(tampering(TamperingKind::Changed))
        } else if !link.is_personal_data_valid {
            Err(tampering(TamperingKind::PersonalDataChanged))
        } else {
            Ok(next)
        }
    }

    /// The bytes that the MAC of a seal authenticates.
    #[must_use]
    pub fn seal_bytes(&self) -> Vec<u8> {
        [b"seal".as_slice(), &self.position.to_be_bytes(), &self.hash].concat()
    }

    /// The bytes that the MAC of an anchor authenticates: the deliberate start of a shortened chain.
    #[must_use]
    pub fn anchor_bytes(&self) -> Vec<u8> {
        [
            b"anchor".as_slice(),
            &self.position.to_be_bytes(),
            &self.hash,
        ]
        .concat()
    }
}

/// Prefixes each value with its length, so that different rows never hash the same input.
fn hash(previous: &Hash, column_values: &[Option<String>]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(b"rosterd audit row v1");
    context.update(previous);
    for value in column_values {
        match value {
            None => context.update(&[0]),
            Some(text) => {
                context.update(&[1]);
                context.update(&(text.len() as u64).to_be_bytes());
                context.update(text.as_bytes());
            }
        }
    }
    let mut out = ZERO_HASH;
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The form that `rosterd audit verify` prints: `1234:9f86…`.
impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, hex::encode(self.hash))
    }
}

impl FromStr for ChainHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected POSITION:HASH, as `rosterd audit verify` prints it";
        let (position, digits) = text.split_once(':').ok_or(EXPECTED)?;
        let mut hash = ZERO_HASH;
        hex::decode_to_slice(digits, &mut hash).map_err(|_| EXPECTED)?;
        let position = position.parse().map_err(|_| EXPECTED)?;
        Ok(Self { position, hash })
    }
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position, self.event) {
            (Some(position), Some(event)) => write!(f, "row {position} (event {event}) ")?,
            (Some(position), None) => write!(f, "row {position} ")?,
            (None, Some(event)) => write!(f, "event {event} ")?,
            (None, None) => write!(f, "a row ")?,
        }
        f.write_str(match self.kind {
            TamperingKind::Changed => "was changed",
            TamperingKind::PersonalDataChanged => "has changed or missing names or addresses",
            TamperingKind::Deleted => "was deleted",
            TamperingKind::Inserted => "was not inserted by rosterd",
            TamperingKind::Foreign => {
                "was sealed under another ROSTERD_SECRET_KEY, or not by rosterd"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(text: &str) -> Vec<Option<String>> {
        vec![Some(text.to_owned()), None]
    }

    fn link(before: &ChainHead, column_values: Vec<Option<String>>) -> ChainLink {
        let next = before.append(&column_values);
        ChainLink {
            position: next.position,
            event: AuditEventId(uuid::Uuid::nil()),
            column_values: Some(column_values),
            hash: next.hash,
            is_mac_valid: true,
            is_personal_data_valid: true,
        }
    }

    fn tampering(before: &ChainHead, link: &ChainLink) -> Option<TamperingKind> {
        before.verify_link(link).err().map(|found| found.kind)
    }

    #[test]
    fn valid_links_are_followed() {
        let first = ChainHead::EMPTY.append(&row("a"));
        let link_to_first = link(&ChainHead::EMPTY, row("a"));
        assert_eq!(ChainHead::EMPTY.verify_link(&link_to_first), Ok(first));
        assert_eq!(tampering(&first, &link(&first, row("b"))), None);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert!("1:zz".parse::<ChainHead>().is_err() && "".parse::<ChainHead>().is_err());
    }

    #[test]
    fn every_kind_of_tampering_is_detected() {
        let first = ChainHead::EMPTY.append(&row("a"));
        let valid = || link(&first, row("b"));
        let mut changed = valid();
        changed.column_values = Some(row("c"));
        let mut deleted = valid();
        deleted.column_values = None;
        let mut foreign = valid();
        foreign.is_mac_valid = false;
        assert_eq!(tampering(&first, &changed), Some(TamperingKind::Changed));
        let mut renamed = valid();
        renamed.is_personal_data_valid = false;
        assert_eq!(
            tampering(&first, &renamed),
            Some(TamperingKind::PersonalDataChanged)
        );
        assert_eq!(tampering(&first, &deleted), Some(TamperingKind::Deleted));
        assert_eq!(tampering(&first, &foreign), Some(TamperingKind::Foreign));
        assert_eq!(
            tampering(&ChainHead::EMPTY, &valid()),
            Some(TamperingKind::Deleted)
        );
        // The previous row was replaced.
        let other = ChainHead::EMPTY.append(&row("x"));
        assert_eq!(tampering(&other, &valid()), Some(TamperingKind::Changed));
    }

    proptest! {
        #[test]
        fn different_rows_have_different_hashes(one in rows(), other in rows()) {
            prop_assume!(one != other);
            let (one, other) = (ChainHead::EMPTY.append(&one), ChainHead::EMPTY.append(&other));
            prop_assert_ne!(one.hash, other.hash);
        }
    }

    fn rows() -> impl Strategy<Value = Vec<Option<String>>> {
        prop::collection::vec(prop::option::of("[ab]{0,2}"), 2..4)
    }
}
