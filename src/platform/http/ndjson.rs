//! `NdjsonRequestBody`: a request body with one JSON document per line. Each line is parsed separately by the handler, so that an
//! invalid line does not affect the others.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};

use super::body::{self, BodyLimits};
use crate::platform::error::{AppError, Code};

/// The media type of requests and responses in NDJSON.
pub const NDJSON: &str = "application/x-ndjson";

const LIMITS: BodyLimits = BodyLimits {
    max_mebibytes: 64,
    timeout: Duration::from_secs(120),
};

/// A body of at most 64 MiB, split into lines.
pub struct NdjsonRequestBody(Bytes);

impl NdjsonRequestBody {
    /// Each line that is not blank, with its line number, starting at 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let lines = self.0.split(|byte| *byte == b'\n').enumerate();
        lines
            .map(|(index, line)| (index + 1, line.trim_ascii()))
            .filter(|(_, line)| !line.is_empty())
    }
}

impl FromRequest for NdjsonRequestBody {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_ndjson = body::has_media_type(headers, &[NDJSON]);
        let content_length = body::content_length(headers);
        let payload = payload.take();
        Box::pin(async move {
            if !is_ndjson {
                let detail =
                    "The body must be application/x-ndjson in UTF-8 without Content-Encoding.";
                return Err(AppError::new(Code::UnsupportedMediaType).with_detail(detail));
            }
            let bytes = body::read_within(LIMITS, content_length, payload).await?;
            Ok(Self(bytes))
        })
    }
}
