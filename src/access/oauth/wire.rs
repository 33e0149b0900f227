//! How these endpoints answer: in JSON that nobody keeps, without the `data` of all others.

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, PRAGMA};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::refusal::Refusal;
use crate::platform::http::RequestContext;

/// The answer, or the refusal.
pub fn answered(request: &HttpRequest, answer: Result<impl Serialize, Refusal>) -> HttpResponse {
    match answer {
        // There is nothing in it that can't be written as JSON.
        Ok(answer) => json(
            HttpResponse::Ok().finish().drop_body(),
            serde_json::to_vec(&answer).unwrap_or_default(),
        ),
        Err(refusal) => refusal.answer(&RequestContext::of(request)),
    }
}

/// The answer with this body; nobody keeps it (RFC 6749, section 5.1).
pub fn json(response: HttpResponse<()>, body: Vec<u8>) -> HttpResponse {
    let mut response = response.set_body(BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
