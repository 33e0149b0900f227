//! Everything about HTTP that is not one slice's business.

pub mod body;
pub mod client_address;
pub mod context;
pub mod envelope;
pub mod etag;
pub mod idempotency;
pub mod json;
pub mod limits;
pub mod merge;
pub mod observe;
pub mod page;
pub mod percent;
pub mod problem;
pub mod query;
pub mod reply;
pub mod routes;
pub mod trace;

pub use client_address::{Network, client_address};
pub use context::RequestContext;
pub use envelope::{Envelope, Settings};
pub use etag::IfMatch;
pub use idempotency::IdempotencyKey;
pub use json::Json;
pub use merge::Patch;
pub use observe::{Observer, Sample};
pub use page::{Cursors, Limit, Page};
pub use problem::Problem;
pub use query::{FromQuery, Noted, Params, Query};
pub use reply::{Data, Kept, Reply, Versioned};
pub use routes::fallback;
