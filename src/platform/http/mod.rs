//! HTTP building blocks: request extractors, responses, problem documents and the outermost middleware.
//! Depends on [`error`](crate::platform::error) and has no domain knowledge.
//!
//! A service is built as `App … .default_service(fallback_route(&document)).wrap(RequestMiddleware::new(config))`, with
//! the middleware wrapped last. A handler takes [`Json`], [`Query`], [`IfMatch`], [`IdempotencyKey`] and
//! [`RequestContext`], and returns `Result<Reply, AppError>`.

pub mod body;
mod client_address;
mod connection_limits;
mod etag;
mod fallback_route;
mod idempotency_key;
mod ip_network;
pub mod json;
pub mod merge_patch;
mod ndjson;
mod origin;
mod page;
mod page_query;
pub mod percent_decoding;
pub mod problem;
pub mod query;
pub mod reply;
mod request_context;
mod request_head;
mod request_log;
mod request_middleware;
mod shared_payload;
mod trace_id;
mod unexpected_query;

pub use client_address::{ForwardedHeader, TrustedProxies};
pub use connection_limits::{ConnectionLimits, OpenConnections};
pub use etag::{IfMatch, etag, matches_if_none_match};
pub use fallback_route::fallback_route;
pub use idempotency_key::IdempotencyKey;
pub use ip_network::{InvalidIpNetwork, IpNetwork};
pub use json::{Json, NullMembers, parse_json, validate};
pub use merge_patch::PatchField;
pub use ndjson::{NDJSON, NdjsonLine, NdjsonRequestBody};
pub use origin::unlisted_origin;
pub use page::{Cursors, Page, PageInfo, PageLimit};
pub use page_query::{PageQuery, PagedList};
pub use problem::{Problem, ProblemCode};
pub use query::{FromQuery, InvalidQuery, Query, QueryReader};
pub use reply::{Data, Reply, StoredReply, Versioned};
pub use request_context::RequestContext;
pub use request_log::{RequestObserver, RequestRecord};
pub use request_middleware::{RequestMiddleware, RequestMiddlewareConfig};
pub use trace_id::TraceId;
pub use unexpected_query::{DocumentedQueries, check_query, refuse_unexpected_query};

#[cfg(test)]
mod tests;
