//! What is known of a request besides what it asks: its trace, its sender's address and program. Nothing in here says
//! who is calling.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::client_address::{Network, client_address};
use super::trace::{TraceId, given_request_id};

/// The circumstances of a request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// The caller's name for the request, or the trace id.
    pub request_id: Arc<str>,
    /// Who sent it, as far as trusted proxies can be believed.
    pub ip: IpAddr,
    /// What sent it, as it says: at most 512 characters, none of them a control character.
    pub user_agent: Option<Arc<str>>,
}

impl RequestContext {
    /// Reads it off a request's head.
    #[must_use]
    pub fn read(head: &RequestHead, trusted: &[Network]) -> Self {
        let trace_id = TraceId::of(&head.headers);
        let request_id = given_request_id(&head.headers).unwrap_or(trace_id.as_str());
        Self {
            request_id: request_id.into(),
            trace_id,
            ip: client_address(head.peer_addr.map(|peer| peer.ip()), &head.headers, trusted),
            user_agent: user_agent(&head.headers),
        }
    }

    /// That of `req`, as the envelope noted it; read anew, trusting nobody, where there is no envelope.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Self {
        let noted = req.extensions().get::<Self>().cloned();
        noted.unwrap_or_else(|| Self::read(req.head(), &[]))
    }
}

impl FromRequest for RequestContext {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(req)))
    }
}

fn user_agent(headers: &HeaderMap) -> Option<Arc<str>> {
    const LONGEST: usize = 512;
    let sent = headers.get(header::USER_AGENT)?.as_bytes();
    let plain = sent.len() <= LONGEST && sent.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match std::str::from_utf8(sent) {
        Ok(text) if plain => Some(text.into()),
        _ => {
            let harmless =
                |letter: &char| !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}');
            let text = String::from_utf8_lossy(sent);
            let kept: String = text.chars().filter(harmless).take(LONGEST).collect();
            Some(kept.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    fn agent(sent: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(sent).unwrap());
        user_agent(&headers).unwrap().to_string()
    }

    #[test]
    fn the_user_agent_is_short_and_harmless() {
        assert_eq!(agent(b"curl/8.0"), "curl/8.0");
        assert_eq!(agent("a\u{9b}b\u{2028}c\té".as_bytes()), "abcé");
        assert_eq!(agent(b"\xff"), "\u{fffd}");
        assert_eq!(agent("é".repeat(600).as_bytes()).chars().count(), 512);
        assert_eq!(agent(&[b'a'; 600]).len(), 512);
        assert_eq!(user_agent(&HeaderMap::new()), None);
    }

    #[test]
    fn the_request_id_is_the_callers_or_the_trace() {
        let given = TestRequest::default()
            .insert_header(("x-request-id", "mine"))
            .to_http_request();
        assert_eq!(&*RequestContext::of(&given).request_id, "mine");
        let context = RequestContext::of(&TestRequest::default().to_http_request());
        assert_eq!(&*context.request_id, context.trace_id.as_str());
    }
}
