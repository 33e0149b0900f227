//! Everything about HTTP that is not one slice's business.

pub mod body;
pub mod etag;
pub mod idempotency;
pub mod json;
pub mod merge;
pub mod page;
pub mod problem;
pub mod query;
pub mod reply;
pub mod trace;

pub use etag::IfMatch;
pub use idempotency::IdempotencyKey;
pub use json::Json;
pub use merge::Patch;
pub use page::{Cursors, Limit, Page};
pub use problem::Problem;
pub use query::{FromQuery, Noted, Params, Query};
pub use reply::{Data, Kept, Reply, Versioned};
