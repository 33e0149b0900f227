//! The outermost middleware. It stores the [`RequestContext`], rejects oversized and ambiguous requests, converts panics to
//! 500 responses, sets the default headers, writes problem bodies, and logs and measures every request.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::FutureExt;

use super::client_address::TrustedProxies;
use super::connection_limits::ConnectionSlot;
use super::request_context::RequestContext;
use super::request_log::{NO_ROUTE, RequestObserver, RequestRecord, log_request, method_label};
use super::shared_payload::SharedPayload;
use super::{problem, request_head, trace_id};
use crate::platform::error::{AppError, Code};

/// Configuration of [`RequestMiddleware`].
pub struct RequestMiddlewareConfig {
    /// The proxies whose forwarding headers are trusted.
    pub trusted_proxies: TrustedProxies,
    /// Receives every answered request, for metrics.
    pub observer: Option<Arc<dyn RequestObserver>>,
    /// Whether callers use https, so that browsers are told to use nothing else.
    pub is_https: bool,
    /// If false, every response closes its connection. Set to false during shutdown.
    pub is_accepting_requests: Arc<AtomicBool>,
}

impl Default for RequestMiddlewareConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: TrustedProxies::default(),
            observer: None,
            is_https: false,
            is_accepting_requests: Arc::new(AtomicBool::new(true)),
        }
    }
}

/// The outermost middleware. Wrap it last, so that it processes requests first and responses last.
#[derive(Clone)]
pub struct RequestMiddleware(Arc<RequestMiddlewareConfig>);

impl RequestMiddleware {
    /// Creates the middleware. Clones share one configuration.
    #[must_use]
    pub fn new(config: RequestMiddlewareConfig) -> Self {
        Self(Arc::new(config))
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = RequestMiddlewareService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let config = Arc::clone(&self.0);
        ready(Ok(RequestMiddlewareService { service, config }))
    }
}

/// The service that [`RequestMiddleware`] wraps around another service.
pub struct RequestMiddlewareService<S> {
    service: S,
    config: Arc<RequestMiddlewareConfig>,
}

impl<S, B> Service<ServiceRequest> for RequestMiddlewareService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, mut req: ServiceRequest) -> Self::Future {
        let in_flight = InFlightRequest::start(&mut req, Arc::clone(&self.config));
        if let Err(error) = check_request(&req) {
            let response = req.error_response(error);
            return Box::pin(ready(Ok(in_flight.complete(response))));
        }
        let future = catch_unwind(AssertUnwindSafe(|| self.service.call(req)));
        Box::pin(async move {
            let result = match future {
                Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            match result {
                Ok(Ok(response)) => Ok(in_flight.complete(response)),
                Ok(Err(error)) => Err(in_flight.complete_error(error)),
                // The panic payload may contain secrets and is dropped. The panic hook decides what is logged.
                Err(_) => {
                    let error = AppError::internal("a handler panicked");
                    Err(in_flight.complete_error(error.into()))
                }
            }
        })
    }
}

/// Refuses a request on a surplus connection, and one with an oversized or ambiguous head.
fn check_request(req: &ServiceRequest) -> Result<(), AppError> {
    if req.conn_data().is_some_and(ConnectionSlot::is_surplus) {
        let error = AppError::new(Code::Overloaded).with_detail("There are too many connections.");
        return Err(error.with_retry_after(Duration::from_secs(1)));
    }
    request_head::check_head(req.head()).map_err(AppError::new)
}

/// The state of one request until its response head is complete.
struct InFlightRequest {
    config: Arc<RequestMiddlewareConfig>,
    /// Whether the connection is closed after the response.
    must_close: bool,
    context: RequestContext,
    method: &'static str,
    started_at: Instant,
    shared_payload: Option<SharedPayload>,
}

impl InFlightRequest {
    fn start(req: &mut ServiceRequest, config: Arc<RequestMiddlewareConfig>) -> Self {
        let started_at = Instant::now();
        let context = RequestContext::from_head(req.head(), &config.trusted_proxies);
        let method = method_label(req.method());
        // HEAD is routed as GET; the connection omits the response body (RFC 9110, section 9.3.2).
        if *req.method() == Method::HEAD {
            req.head_mut().method = Method::GET;
        }
        req.extensions_mut().insert(context.clone());
        let must_close = req.conn_data().is_some_and(ConnectionSlot::must_close);
        Self {
            config,
            must_close,
            context,
            method,
            started_at,
            shared_payload: SharedPayload::take_chunked(req),
        }
    }

    fn complete<B: MessageBody + 'static>(
        self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<BoxBody> {
        let (req, response) = response.into_parts();
        let response = problem::explain_missing_id(&req, response.map_into_boxed_body());
        let error = response.error().and_then(error_code);
        let response = self.finish_response(response);
        let route = req.match_pattern();
        self.record(route.as_deref().unwrap_or(NO_ROUTE), &response, error);
        ServiceResponse::new(req, response)
    }

    /// Completes a request whose inner service failed. The request and its route are no longer available.
    fn complete_error(self, error: Error) -> Error {
        let code = error_code(&error);
        let response = self.finish_response(HttpResponse::from_error(error));
        self.record(NO_ROUTE, &response, code);
        ResponseAsError(Cell::new(Some(response))).into()
    }

    /// Sets the problem body, the default headers and the connection type.
    fn finish_response(&self, response: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
        let mut response = problem::fill_error_body(response, self.context.trace_id);
        let headers = response.headers_mut();
        for (name, value) in &DEFAULT_HEADERS {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if self.config.is_https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, ONE_YEAR.clone());
        }
        if let Ok(request_id) = HeaderValue::from_str(&self.context.request_id) {
            headers.insert(trace_id::REQUEST_ID, request_id);
        }
        if self.must_close || !self.config.is_accepting_requests.load(Ordering::Relaxed) {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        match self.shared_payload.clone() {
            Some(payload) => response.map_body(|_, body| payload.attach_to(body)),
            None => response,
        }
    }

    /// Logs and measures the request.
    fn record(&self, route: &str, response: &HttpResponse<BoxBody>, error: Option<Code>) {
        let record = RequestRecord {
            method: self.method,
            route,
            status: response.status().as_u16(),
            error,
            duration: self.started_at.elapsed(),
        };
        log_request(&record, &self.context);
        if let Some(observer) = &self.config.observer {
            observer.observe(&record);
        }
    }
}

fn error_code(error: &Error) -> Option<Code> {
    Some(error.as_error::<AppError>()?.code())
}

/// Without `includeSubDomains`, because other hosts below this one may not use https (RFC 6797).
static ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Headers that are set unless the handler has set them.
static DEFAULT_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    // Pages of other origins cannot embed a response. CORS, which ROSTERD_CORS_ORIGINS permits, is not affected.
    (
        header::CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

/// Carries a complete response in an error. When the inner actix service fails, the request is gone, and without it the
/// middleware cannot build a `ServiceResponse`.
struct ResponseAsError(Cell<Option<HttpResponse<BoxBody>>>);

impl fmt::Debug for ResponseAsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a complete error response")
    }
}

impl fmt::Display for ResponseAsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ResponseError for ResponseAsError {
    fn error_response(&self) -> HttpResponse<BoxBody> {
        // actix-web calls this once per error.
        let fallback = || AppError::new(Code::Internal).error_response();
        self.0.take().unwrap_or_else(fallback)
    }
}
