//! Peppers: random secrets that are mixed into password hashes (Argon2's secret input, RFC 9106, section 3.1), so that a copy
//! of the hashes alone cannot be attacked. The id of a pepper is the `keyid` of its hashes.

use zeroize::Zeroizing;

/// The length of an id in bytes: the longest `keyid` of Argon2.
pub const ID_BYTES: usize = 8;

/// A pepper.
#[derive(Clone)]
pub struct Pepper {
    /// The `keyid` of the hashes that were computed with it.
    pub id: [u8; ID_BYTES],
    /// The secret.
    pub secret: Zeroizing<[u8; 32]>,
}

/// The peppers that are known, and whether new hashes use one.
#[derive(Clone, Default)]
pub struct Peppers {
    /// The newest last.
    known: Vec<Pepper>,
    is_enabled: bool,
}

impl Peppers {
    /// The known peppers, the newest last. `is_enabled`: whether new hashes use the newest.
    #[must_use]
    pub fn new(known: Vec<Pepper>, is_enabled: bool) -> Self {
        Self { known, is_enabled }
    }

    /// The pepper for new hashes.
    pub(super) fn current(&self) -> Option<&Pepper> {
        self.known.last().filter(|_| self.is_enabled)
    }

    /// The pepper with this id.
    pub(super) fn find(&self, id: &[u8]) -> Option<&Pepper> {
        self.known.iter().find(|pepper| pepper.id == id)
    }

    /// Replaces the known peppers.
    pub(super) fn set_known(&mut self, known: Vec<Pepper>) {
        self.known = known;
    }
}
