//! Metadata of a request: trace id, client address and user agent. It does not identify the caller.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::client_address::{TrustedProxies, client_address};
use super::trace_id::{TraceId, client_request_id};

/// Metadata of a request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The trace the request belongs to.
    pub trace_id: TraceId,
    /// The client's `X-Request-Id`, or the trace id if there is none.
    pub request_id: Arc<str>,
    /// The client's address, after evaluating the headers of trusted proxies.
    pub ip: IpAddr,
    /// The `User-Agent` header: at most 512 characters, without control characters.
    pub user_agent: Option<Arc<str>>,
}

impl RequestContext {
    /// Reads the metadata from a request head.
    #[must_use]
    pub fn from_head(head: &RequestHead, trusted_proxies: &TrustedProxies) -> Self {
        let peer = head.peer_addr.map(|peer| peer.ip());
        let trace_id = TraceId::from_headers(&head.headers);
        let request_id = client_request_id(&head.headers).unwrap_or(trace_id.as_str());
        Self {
            request_id: request_id.into(),
            trace_id,
            ip: client_address(peer, &head.headers, trusted_proxies),
            user_agent: user_agent(&head.headers),
        }
    }

    /// The context stored by [`RequestMiddleware`](super::RequestMiddleware). Without that middleware, it is read from
    /// the request, without trusted proxies.
    #[must_use]
    pub fn for_request(req: &HttpRequest) -> Self {
        let stored = req.extensions().get::<Self>().cloned();
        stored.unwrap_or_else(|| Self::from_head(req.head(), &TrustedProxies::default()))
    }
}

impl FromRequest for RequestContext {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::for_request(req)))
    }
}

fn user_agent(headers: &HeaderMap) -> Option<Arc<str>> {
    const MAX_LEN: usize = 512;
    let value = headers.get(header::USER_AGENT)?.as_bytes();
    let is_printable_ascii =
        value.len() <= MAX_LEN && value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match std::str::from_utf8(value) {
        Ok(text) if is_printable_ascii => Some(text.into()),
        _ => {
            let is_allowed = |c: &char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
            let text = String::from_utf8_lossy(value);
            let sanitized: String = text.chars().filter(is_allowed).take(MAX_LEN).collect();
            Some(sanitized.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    fn sanitized_user_agent(value: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(value).unwrap());
        user_agent(&headers).unwrap().to_string()
    }

    #[test]
    fn user_agent_is_truncated_and_sanitized() {
        assert_eq!(sanitized_user_agent(b"curl/8.0"), "curl/8.0");
        assert_eq!(
            sanitized_user_agent("a\u{9b}b\u{2028}c\té".as_bytes()),
            "abcé"
        );
        assert_eq!(sanitized_user_agent(b"\xff"), "\u{fffd}");
        let long = sanitized_user_agent("é".repeat(600).as_bytes());
        assert_eq!(long.chars().count(), 512);
        assert_eq!(sanitized_user_agent(&[b'a'; 600]).len(), 512);
        assert_eq!(user_agent(&HeaderMap::new()), None);
    }

    #[test]
    fn request_id_is_the_clients_or_the_trace_id() {
        let request = TestRequest::default()
            .insert_header(("x-request-id", "mine"))
            .to_http_request();
        assert_eq!(&*RequestContext::for_request(&request).request_id, "mine");
        let context = RequestContext::for_request(&TestRequest::default().to_http_request());
        assert_eq!(&*context.request_id, context.trace_id.as_str());
    }
}
