//! The one middleware that every request goes through, outermost: it notes the circumstances, refuses what is too large
//! or ambiguous, survives a panic, and sees to it that every answer has its headers, its problem and its line in the
//! log. It knows no operation and nobody who calls.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::FutureExt;

use super::client_address::Network;
use super::context::RequestContext;
use super::observe::{self, NO_ROUTE, Observer, Sample};
use super::{limits, problem, trace, unread};
use crate::platform::error::{AppError, Code};

/// What the envelope has to be told.
pub struct Settings {
    /// The proxies whose word on a client's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// Who is told of every answered request.
    pub observer: Option<Arc<dyn Observer>>,
    /// Whether callers may keep their connections for further requests.
    pub is_open: Arc<AtomicBool>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            observer: None,
            is_open: Arc::new(AtomicBool::new(true)),
        }
    }
}

/// The middleware. Wrap it last, so that it is the first to see a request; a middleware inside it may answer or fail
/// as it likes.
#[derive(Clone)]
pub struct Envelope(Arc<Settings>);

impl Envelope {
    /// The envelope of one service, the same for all its threads.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }
}

impl<S, B> Transform<S, ServiceRequest> for Envelope
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Enveloped<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let settings = Arc::clone(&self.0);
        ready(Ok(Enveloped { service, settings }))
    }
}

/// A service in its envelope.
pub struct Enveloped<S> {
    service: S,
    settings: Arc<Settings>,
}

impl<S, B> Service<ServiceRequest> for Enveloped<S>
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
        let exchange = Exchange::begin(&mut req, Arc::clone(&self.settings));
        if let Some(code) = limits::refusal(req.head()) {
            let refused = req.error_response(AppError::new(code));
            return Box::pin(ready(Ok(exchange.end(refused))));
        }
        let begun = catch_unwind(AssertUnwindSafe(|| self.service.call(req)));
        Box::pin(async move {
            let answered = match begun {
                Ok(answering) => AssertUnwindSafe(answering).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            match answered {
                Ok(Ok(response)) => Ok(exchange.end(response)),
                Ok(Err(error)) => Err(exchange.end_without_request(error)),
                // What it says may hold anything, a secret too: what is shown of it is the panic hook's business.
                Err(_) => {
                    let error = AppError::internal("a panic in a handler");
                    Err(exchange.end_without_request(error.into()))
                }
            }
        })
    }
}

/// One request and its answer.
struct Exchange {
    settings: Arc<Settings>,
    context: RequestContext,
    method: &'static str,
    begun: Instant,
    unread: Option<unread::Shared>,
}

impl Exchange {
    fn begin(req: &mut ServiceRequest, settings: Arc<Settings>) -> Self {
        let begun = Instant::now();
        let context = RequestContext::read(req.head(), &settings.trusted_proxies);
        let method = observe::method_name(req.method());
        // HEAD is GET whose body the connection leaves out (RFC 9110, section 9.3.2).
        if *req.method() == Method::HEAD {
            req.head_mut().method = Method::GET;
        }
        req.extensions_mut().insert(context.clone());
        Self {
            settings,
            context,
            method,
            begun,
            unread: unread::Shared::of(req),
        }
    }

    fn end<B: MessageBody + 'static>(
        self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<BoxBody> {
        let (req, response) = response.into_parts();
        let response = self.finish(response.map_into_boxed_body());
        let route = req.match_pattern();
        self.report(route.as_deref().unwrap_or(NO_ROUTE), &response);
        ServiceResponse::new(req, response)
    }

    /// Where something inside failed, the request is gone, and with it the route.
    fn end_without_request(self, error: Error) -> Error {
        let response = self.finish(HttpResponse::from_error(error));
        self.report(NO_ROUTE, &response);
        Finished(Cell::new(Some(response))).into()
    }

    fn finish(&self, response: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
        let mut response = problem::complete(response, self.context.trace_id);
        let headers = response.headers_mut();
        for (name, value) in &DEFAULTS {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Ok(name) = HeaderValue::from_str(&self.context.request_id) {
            headers.insert(trace::REQUEST_ID, name);
        }
        if !self.settings.is_open.load(Ordering::Relaxed) {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        match self.unread.clone() {
            Some(unread) => response.map_body(|_, body| unread.held_by(body)),
            None => response,
        }
    }

    fn report(&self, route: &str, response: &HttpResponse<BoxBody>) {
        let sample = Sample {
            method: self.method,
            route,
            status: response.status().as_u16(),
            duration: self.begun.elapsed(),
        };
        observe::log(&sample, &self.context);
        if let Some(observer) = &self.settings.observer {
            observer.observe(&sample);
        }
    }
}

/// What an answer has unless its handler says otherwise.
static DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

/// A finished answer on the way on which errors travel.
struct Finished(Cell<Option<HttpResponse<BoxBody>>>);

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer that is finished")
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ResponseError for Finished {
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let again = || AppError::new(Code::Internal).error_response();
        self.0.take().unwrap_or_else(again)
    }
}
