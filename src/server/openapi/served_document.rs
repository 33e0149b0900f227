//! A JSON document that is served with an entity tag, and compressed for clients that accept it.

use std::io::Write as _;

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ContentType, ETAG, Encoding, Header as _, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::platform::http::{etag, matches_if_none_match};

/// The document and its compressed form.
pub struct ServedDocument {
    json: Bytes,
    gzip: Bytes,
    etag: String,
}

impl ServedDocument {
    pub fn new(json: String) -> Self {
        let json = Bytes::from(json);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&json).and_then(|()| encoder.finish());
        Self {
            etag: etag(1, &json),
            // Writing to memory does not fail. An empty text means that there is no compressed form.
            gzip: written.unwrap_or_default().into(),
            json,
        }
    }

    /// The response with the document, or 304.
    pub fn respond(&self, req: &HttpRequest) -> HttpResponse {
        let is_current = matches_if_none_match(req.headers(), &self.etag);
        let mut response = if is_current {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((ETAG, self.etag.clone()))
            .insert_header((VARY, "Accept-Encoding"));
        if is_current {
            return response.finish();
        }
        response.content_type(ContentType::json());
        if accepts_gzip(req) && !self.gzip.is_empty() {
            response
                .insert_header((CONTENT_ENCODING, "gzip"))
                .body(self.gzip.clone())
        } else {
            response.body(self.json.clone())
        }
    }
}

fn accepts_gzip(req: &HttpRequest) -> bool {
    let accepted = AcceptEncoding::parse(req);
    let gzip = [Encoding::gzip(), Encoding::identity()];
    accepted.is_ok_and(|accepted| accepted.negotiate(gzip.iter()) == Some(Encoding::gzip()))
}
