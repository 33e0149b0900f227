//! How a row continues the chain, and what is wrong with one that does not. No database, no clock.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

use crate::platform::ids::EventId;

/// A hash of the chain.
pub type Hash = [u8; 32];

/// The hash before the first row.
pub const BEGINNING: Hash = [0; 32];

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many rows it has had.
    pub position: i64,
    /// The hash of the last.
    pub hash: Hash,
}

/// A place in the chain, with the row that is there now.
pub struct Link {
    /// The place.
    pub position: i64,
    /// Which row was sealed there.
    pub event: EventId,
    /// That row's members, in their order; `None` when it is gone.
    pub members: Option<Vec<Option<String>>>,
    /// The hash that was written then.
    pub hash: Hash,
    /// Whether we wrote it.
    pub is_ours: bool,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not as it was written.
    Changed,
    /// It is gone.
    Deleted,
    /// It was not written by rosterd.
    Inserted,
    /// Its place in the chain was not made with this key.
    Foreign,
}

/// The first row with which something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub wrong: Wrong,
    /// Its place in the chain, if it has one.
    pub position: Option<i64>,
    /// Which row, if that is known.
    pub event: Option<EventId>,
}

impl Head {
    /// A chain without a row.
    pub const NONE: Self = Self {
        position: 0,
        hash: BEGINNING,
    };

    /// The chain with one row more.
    #[must_use]
    pub fn then(&self, members: &[Option<String>]) -> Self {
        Self {
            position: self.position + 1,
            hash: hash(&self.hash, members),
        }
    }

    /// The chain up to this link, if the link continues it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn follow(&self, link: &Link) -> Result<Self, Fault> {
        let fault = |wrong| Fault {
            wrong,
            position: Some(link.position),
            event: Some(link.event),
        };
        if link.position != self.position + 1 {
            return Err(Fault {
                wrong: Wrong::Deleted,
                position: Some(self.position + 1),
                event: None,
            });
        }
        if !link.is_ours {
            return Err(fault(Wrong::Foreign));
        }
        let members = link.members.as_ref().ok_or_else(|| fault(Wrong::Deleted))?;
        let next = self.then(members);
        if next.hash == link.hash {
            Ok(next)
        } else {
            Err(fault(Wrong::Changed))
        }
    }

    /// What is signed of a place in the chain.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        [b"seal".as_slice(), &self.position.to_be_bytes(), &self.hash].concat()
    }

    /// What is signed of a beginning that was made on purpose.
    #[must_use]
    pub fn signed_as_anchor(&self) -> Vec<u8> {
        [
            b"anchor".as_slice(),
            &self.position.to_be_bytes(),
            &self.hash,
        ]
        .concat()
    }
}

/// Each member's length goes before it, so that no two rows are hashed alike.
fn hash(before: &Hash, members: &[Option<String>]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(b"rosterd audit row v1");
    context.update(before);
    for member in members {
        match member {
            None => context.update(&[0]),
            Some(text) => {
                context.update(&[1]);
                context.update(&(text.len() as u64).to_be_bytes());
                context.update(text.as_bytes());
            }
        }
    }
    let mut out = BEGINNING;
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// As `rosterd audit verify` prints it: `1234:9f86…`.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, hex::encode(self.hash))
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected POSITION:HASH, as `rosterd audit verify` prints it";
        let (position, digits) = text.split_once(':').ok_or(EXPECTED)?;
        let mut hash = BEGINNING;
        hex::decode_to_slice(digits, &mut hash).map_err(|_| EXPECTED)?;
        let position = position.parse().map_err(|_| EXPECTED)?;
        Ok(Self { position, hash })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.position, self.event) {
            (Some(position), Some(event)) => write!(f, "row {position} (event {event}) ")?,
            (Some(position), None) => write!(f, "row {position} ")?,
            (None, Some(event)) => write!(f, "event {event} ")?,
            (None, None) => write!(f, "a row ")?,
        }
        f.write_str(match self.wrong {
            Wrong::Changed => "was changed",
            Wrong::Deleted => "was deleted",
            Wrong::Inserted => "was inserted by something else than rosterd",
            Wrong::Foreign => {
                "was sealed under another ROSTERD_SECRET_KEY, or by something else than rosterd"
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

    fn link(before: &Head, members: Vec<Option<String>>) -> Link {
        let next = before.then(&members);
        Link {
            position: next.position,
            event: EventId(uuid::Uuid::nil()),
            members: Some(members),
            hash: next.hash,
            is_ours: true,
        }
    }

    fn wrong(before: &Head, link: &Link) -> Option<Wrong> {
        before.follow(link).err().map(|fault| fault.wrong)
    }

    #[test]
    fn a_chain_is_followed_from_row_to_row() {
        let first = Head::NONE.then(&row("a"));
        assert_eq!(Head::NONE.follow(&link(&Head::NONE, row("a"))), Ok(first));
        assert_eq!(wrong(&first, &link(&first, row("b"))), None);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert!("1:zz".parse::<Head>().is_err() && "".parse::<Head>().is_err());
    }

    #[test]
    fn whatever_was_done_to_a_row_is_seen() {
        let first = Head::NONE.then(&row("a"));
        let good = || link(&first, row("b"));
        let mut changed = good();
        changed.members = Some(row("c"));
        let mut gone = good();
        gone.members = None;
        let mut foreign = good();
        foreign.is_ours = false;
        assert_eq!(wrong(&first, &changed), Some(Wrong::Changed));
        assert_eq!(wrong(&first, &gone), Some(Wrong::Deleted));
        assert_eq!(wrong(&first, &foreign), Some(Wrong::Foreign));
        assert_eq!(wrong(&Head::NONE, &good()), Some(Wrong::Deleted));
        // The one before it is another.
        let other = Head::NONE.then(&row("x"));
        assert_eq!(wrong(&other, &good()), Some(Wrong::Changed));
    }

    proptest! {
        #[test]
        fn no_two_rows_are_hashed_alike(one in rows(), other in rows()) {
            prop_assume!(one != other);
            prop_assert_ne!(Head::NONE.then(&one).hash, Head::NONE.then(&other).hash);
        }
    }

    fn rows() -> impl Strategy<Value = Vec<Option<String>>> {
        prop::collection::vec(prop::option::of("[ab]{0,2}"), 2..4)
    }
}
