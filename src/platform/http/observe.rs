//! What is told of each request once it is answered: one line of the log, one sample for the metrics.
//! Neither holds anything that a caller can make up: the route is the pattern, the method one of a closed list.

use std::time::Duration;

use actix_web::http::Method;

use super::context::RequestContext;

/// The route of a request that no operation answered.
pub const NO_ROUTE: &str = "none";

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The method; `OTHER` for one that HTTP does not define.
    pub method: &'static str,
    /// The pattern of the address, such as `/api/v1/users/{id}`, or `none`.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// From the head of the request to the head of the answer.
    pub duration: Duration,
}

/// Is told of every answered request, on the thread that answered it: it must not wait.
pub trait Observer: Send + Sync {
    /// Takes note of `sample`.
    fn observe(&self, sample: &Sample<'_>);
}

/// The name of a method, as labels may have it.
#[must_use]
pub fn method_name(method: &Method) -> &'static str {
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

/// Writes the line of the access log.
pub fn log(sample: &Sample<'_>, context: &RequestContext) {
    let micros = u64::try_from(sample.duration.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        target: "rosterd::access",
        method = sample.method,
        route = sample.route,
        status = sample.status,
        micros,
        traceId = %context.trace_id,
        ip = %context.ip,
        "answered"
    );
}
