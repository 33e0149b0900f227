//! Keeps the payload of a chunked request alive until the response is sent.
//!
//! When the payload of a chunked request is dropped, actix-web reads the rest of it in order to reuse the connection. A
//! client that never ends its body would hold the connection open indefinitely. While the payload is still alive when the
//! response has been sent, actix-web closes the connection instead, so the response body owns the payload.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};

/// A request payload shared by the handler that reads it and the response that keeps it alive.
#[derive(Clone)]
pub struct SharedPayload(Rc<RefCell<Payload>>);

impl SharedPayload {
    /// Takes the payload of `req` if it is chunked, and replaces it with a stream that reads from the same payload.
    /// Returns `None` for a body with `Content-Length`: actix-web itself stops reading it in bounded time.
    pub fn take_chunked(req: &mut ServiceRequest) -> Option<Self> {
        if !req.headers().contains_key(header::TRANSFER_ENCODING) {
            return None;
        }
        let shared = Self(Rc::new(RefCell::new(req.take_payload())));
        req.set_payload(Payload::from(shared.clone().boxed_local()));
        Some(shared)
    }

    /// Wraps a response body so that it owns this payload until it is sent.
    pub fn attach_to(self, body: BoxBody) -> BoxBody {
        BoxBody::new(ResponseBodyOwningPayload {
            body,
            _payload: self,
        })
    }
}

impl Stream for SharedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_next_unpin(cx)
    }
}

/// A response body that owns the payload of its request.
struct ResponseBodyOwningPayload {
    body: BoxBody,
    _payload: SharedPayload,
}

impl MessageBody for ResponseBodyOwningPayload {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
