//! `Ndjson`: a body of JSON documents, one a line. It splits and reads nothing but lines; each is parsed by itself, so that
//! a wrong one spoils no other.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};

use super::body::{self, Bounds};
use crate::platform::error::{AppError, Code};

/// What it is called, in requests and answers.
pub const NDJSON: &str = "application/x-ndjson";

const BOUNDS: Bounds = Bounds {
    mebibytes: 64,
    patience: Duration::from_secs(120),
};

/// The lines of a body of at most 64 MiB.
pub struct Ndjson(Bytes);

impl Ndjson {
    /// Each line that is not blank, with its number from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let lines = self.0.split(|byte| *byte == b'\n').enumerate();
        lines
            .map(|(index, line)| (index + 1, line.trim_ascii()))
            .filter(|(_, line)| !line.is_empty())
    }
}

impl FromRequest for Ndjson {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_readable = body::is_sent_as(headers, &[NDJSON]);
        let declared = body::declared_length(headers);
        let payload = payload.take();
        Box::pin(async move {
            if !is_readable {
                let detail = "send application/x-ndjson in UTF-8, without Content-Encoding";
                return Err(AppError::new(Code::UnsupportedMediaType).detail(detail));
            }
            let raw = body::read_within(BOUNDS, declared, payload).await?;
            Ok(Self(raw))
        })
    }
}
