//! JSON responses of the OAuth endpoints: not cacheable, and without the `data` member that other endpoints use.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, PRAGMA};
use serde::Serialize;

/// Adds a JSON body and the headers against caching (RFC 6749, section 5.1).
pub fn json(response: HttpResponse<()>, value: &impl Serialize) -> HttpResponse {
    // Serialization cannot fail: the values contain only strings, numbers and booleans.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = response.set_body(BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
