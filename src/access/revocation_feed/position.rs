//! The position of a reader in the revocation feed.

use serde::{Deserialize, Serialize};

/// The position of an entry in the feed. The default is before the first entry.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct FeedPosition {
    /// The transaction id.
    pub xid: i64,
    /// The id of the entry within the transaction.
    pub id: i64,
}
