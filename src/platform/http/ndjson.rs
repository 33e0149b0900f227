//! `NdjsonRequestBody`: a request body with one JSON document per line. Each line is parsed separately by the handler, so that an
//! invalid line does not affect the others.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use validator::Validate;

use super::body::{self, BodyLimits};
use super::json::{NullMembers, parse_json};
use crate::platform::error::{AppError, Code};

/// The media type of requests and responses in NDJSON.
pub const NDJSON: &str = "application/x-ndjson";

const LIMITS: BodyLimits = BodyLimits {
    max_mebibytes: 64,
    timeout: Duration::from_secs(120),
};

/// The maximum length of a line, without the white space around it.
const MAX_LINE_BYTES: usize = 256 * 1024;

/// A body of at most 64 MiB, which is read line by line.
#[derive(Default)]
pub struct NdjsonRequestBody {
    rest: Bytes,
    lines_read: usize,
}

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub struct NdjsonLine {
    /// The line number, starting at 1.
    pub number: usize,
    text: Bytes,
}

impl NdjsonRequestBody {
    fn new(body: Bytes) -> Self {
        Self {
            rest: body,
            lines_read: 0,
        }
    }

    /// The next line that is not blank.
    pub fn next_line(&mut self) -> Option<NdjsonLine> {
        while !self.rest.is_empty() {
            let newline = self.rest.iter().position(|byte| *byte == b'\n');
            let line = self.rest.split_to(newline.unwrap_or(self.rest.len()));
            drop(self.rest.split_to(usize::from(newline.is_some())));
            self.lines_read += 1;
            let trimmed = line.trim_ascii();
            if !trimmed.is_empty() {
                return Some(NdjsonLine {
                    number: self.lines_read,
                    text: line.slice_ref(trimmed),
                });
            }
        }
        None
    }
}

impl NdjsonLine {
    /// Parses the line.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] when the line is too long; errors of [`parse_json`].
    pub fn parse<T: DeserializeOwned + Validate + ToSchema>(&self) -> Result<T, AppError> {
        if self.text.len() > MAX_LINE_BYTES {
            let detail = format!("the line must have at most {} KiB", MAX_LINE_BYTES / 1024);
            return Err(AppError::invalid_field("", "too_long", detail));
        }
        parse_json(&self.text, NullMembers::AreAbsent)
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
            Ok(Self::new(bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_blank_lines_are_skipped() {
        let mut body = NdjsonRequestBody::new(Bytes::from_static(b"a\r\n\n  \n b c \nd"));
        let mut lines = Vec::new();
        while let Some(line) = body.next_line() {
            lines.push((line.number, line.text));
        }
        let expected = [(1, "a"), (4, "b c"), (5, "d")];
        assert_eq!(lines, expected.map(|(number, text)| (number, text.into())));
        assert_eq!(NdjsonRequestBody::new(Bytes::new()).next_line(), None);
    }

    #[test]
    fn line_that_is_too_long_is_refused() {
        let parse = |bytes: usize| {
            let json = format!("{{\"name\":\"{}\"}}", "x".repeat(bytes - 11));
            let mut body = NdjsonRequestBody::new(json.into());
            body.next_line().unwrap().parse::<Line>()
        };
        assert!(parse(MAX_LINE_BYTES).is_ok());
        let error = parse(MAX_LINE_BYTES + 1).err().unwrap();
        assert_eq!(error.field_errors()[0].code, "too_long");
    }

    #[derive(serde::Deserialize, ToSchema, Validate)]
    struct Line {
        #[expect(dead_code, reason = "only parsed")]
        name: String,
    }
}
