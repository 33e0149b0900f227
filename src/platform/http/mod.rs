//! Everything about HTTP that is not one slice's business: how requests are read, how answers and refusals look, and
//! the envelope that each of them goes through. It knows [`error`](crate::platform::error) and nothing of what the service does.
//!
//! A service is put together as `App … .default_service(fallback(&document)).wrap(Envelope::new(settings))`, the
//! envelope last. A handler takes [`Json`], [`Query`], [`IfMatch`], [`IdempotencyKey`] and [`RequestContext`], and
//! answers `Result<Reply, AppError>`.

pub mod body;
mod client_address;
mod context;
mod envelope;
mod etag;
mod idempotency;
pub mod json;
mod limits;
pub mod merge;
mod ndjson;
mod observe;
mod page;
pub mod percent;
pub mod problem;
pub mod query;
pub mod reply;
mod routes;
mod trace;
mod unread;

pub use client_address::{Network, NoNetwork};
pub use context::RequestContext;
pub use envelope::{Envelope, Settings};
pub use etag::IfMatch;
pub use idempotency::IdempotencyKey;
pub use json::{Json, parse, validated};
pub use merge::Patch;
pub use ndjson::{NDJSON, Ndjson};
pub use observe::{Observer, Sample};
pub use page::{Cursors, Limit, Page, PageInfo};
pub use problem::{Problem, ProblemCode};
pub use query::{FromQuery, Noted, Params, Query};
pub use reply::{Data, Kept, Reply, Versioned};
pub use routes::fallback;
pub use trace::TraceId;

#[cfg(test)]
mod tests;
