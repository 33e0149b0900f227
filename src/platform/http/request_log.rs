//! The record of an answered request: one access log line and one metrics sample.
//! Labels have a bounded set of values: the route is a pattern and the method is one of a fixed list.

use std::time::Duration;

use actix_web::http::Method;

use super::request_context::RequestContext;
use crate::platform::error::Code;

/// The route label of a request that matched no operation.
pub const NO_ROUTE: &str = "none";

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct RequestRecord<'a> {
    /// The method, or `OTHER` for a non-standard one.
    pub method: &'static str,
    /// The path pattern, such as `/api/v1/users/{id}`, or `none`.
    pub route: &'a str,
    /// The response status.
    pub status: u16,
    /// The code of the error, if the response is one.
    pub error: Option<Code>,
    /// Time from receiving the request head to producing the response head.
    pub duration: Duration,
}

/// Receives every answered request, on the thread that answered it. Implementations must not block.
pub trait RequestObserver: Send + Sync {
    /// Records one request.
    fn observe(&self, record: &RequestRecord<'_>);
}

/// The method as a metrics label.
#[must_use]
pub fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "OTHER",
    }
}

/// The addresses that probes request every few seconds.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Writes the access log line. A successful probe has none.
pub fn log_request(record: &RequestRecord<'_>, context: &RequestContext) {
    if PROBES.contains(&record.route) && record.status == 200 {
        return;
    }
    let micros = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        target: "rosterd::access",
        method = record.method,
        route = record.route,
        status = record.status,
        micros,
        traceId = %context.trace_id,
        ip = %context.ip,
        "request completed"
    );
}
