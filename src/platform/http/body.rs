//! Reads a request body into memory, with limits on its size, duration and encoding.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::platform::error::{AppError, Code};

/// The limits on a request body.
#[derive(Clone, Copy)]
pub struct BodyLimits {
    /// The maximum size in MiB.
    pub max_mebibytes: usize,
    /// The maximum time from the first read to the last byte.
    pub timeout: Duration,
}

impl BodyLimits {
    /// The limits on every body except an import.
    pub const DEFAULT: Self = Self {
        max_mebibytes: 1,
        timeout: Duration::from_secs(10),
    };

    const fn max_bytes(self) -> usize {
        self.max_mebibytes * 1024 * 1024
    }

    fn check_length(self, length: usize) -> Result<(), AppError> {
        if length > self.max_bytes() {
            Err(self.too_large())
        } else {
            Ok(())
        }
    }

    fn too_large(self) -> AppError {
        let detail = format!("The body must be at most {} MiB.", self.max_mebibytes);
        AppError::new(Code::PayloadTooLarge).with_detail(detail)
    }
}

/// Reads a body within [`BodyLimits::DEFAULT`].
///
/// # Errors
/// See [`read_within`].
pub async fn read(content_length: Option<u64>, payload: Payload) -> Result<Bytes, AppError> {
    read_within(BodyLimits::DEFAULT, content_length, payload).await
}

/// Reads a body within `limits`.
///
/// # Errors
/// [`Code::PayloadTooLarge`], [`Code::RequestTimeout`], or [`Code::RequestInvalid`] if the body is incomplete or its
/// framing is invalid.
pub async fn read_within(
    limits: BodyLimits,
    content_length: Option<u64>,
    payload: Payload,
) -> Result<Bytes, AppError> {
    if content_length.is_some_and(|length| length > limits.max_bytes() as u64) {
        return Err(limits.too_large());
    }
    match tokio::time::timeout(limits.timeout, collect(limits, payload)).await {
        Ok(result) => result,
        Err(_) => Err(Code::RequestTimeout.into()),
    }
}

/// Collects all chunks. A body of a single chunk, the common case, is not copied.
async fn collect(limits: BodyLimits, mut payload: Payload) -> Result<Bytes, AppError> {
    let Some(first) = payload.next().await else {
        return Ok(Bytes::new());
    };
    let first = first.map_err(|error| read_error(limits, &error))?;
    let Some(second) = payload.next().await else {
        return limits.check_length(first.len()).map(|()| first);
    };
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        let chunk = chunk.map_err(|error| read_error(limits, &error))?;
        limits.check_length(body.len().saturating_add(chunk.len()))?;
        body.extend_from_slice(&chunk);
        next = payload.next().await;
    }
    Ok(body.freeze())
}

fn read_error(limits: BodyLimits, error: &PayloadError) -> AppError {
    match error {
        PayloadError::Overflow => limits.too_large(),
        _ => AppError::invalid_field(
            "",
            "incomplete_body",
            "the body is incomplete or its framing is invalid",
        ),
    }
}

/// The value of `Content-Length`, if there is a valid one.
#[must_use]
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Whether the body has no `Content-Encoding` other than `identity`. Compressed bodies are rejected, because their size is
/// unknown until they are decompressed.
#[must_use]
pub fn is_unencoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).all(|coding| {
        coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

/// Whether the body is unencoded and has exactly one `Content-Type`, which is one of `accepted`.
#[must_use]
pub fn has_media_type(headers: &HeaderMap, accepted: &[&str]) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE);
    let is_accepted = match (lines.next().map(header::HeaderValue::to_str), lines.next()) {
        (Some(Ok(content_type)), None) => is_media_type(content_type, accepted),
        _ => false,
    };
    is_accepted && is_unencoded(headers)
}

/// Whether `content_type` is one of `accepted`, with no parameter except `charset=utf-8`.
#[must_use]
pub fn is_media_type(content_type: &str, accepted: &[&str]) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    accepted
        .iter()
        .any(|name| name.eq_ignore_ascii_case(essence))
        && parts.all(is_utf8_charset)
}

fn is_utf8_charset(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case("charset")
            && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[actix_web::test]
    async fn body_that_never_ends_times_out() {
        let first_chunk = stream::iter([Ok(Bytes::from_static(b"{"))]);
        let payload = Payload::from(first_chunk.chain(stream::pending()).boxed_local());
        let limits = BodyLimits {
            timeout: Duration::from_millis(20),
            ..BodyLimits::DEFAULT
        };
        let result = read_within(limits, None, payload).await;
        assert_eq!(result.unwrap_err().code(), Code::RequestTimeout);
    }

    #[test]
    fn media_type_may_have_only_a_utf8_charset_parameter() {
        let is_json =
            |text| is_media_type(text, &["application/json", "application/merge-patch+json"]);
        assert!(is_json("application/json") && is_json("Application/JSON; charset=UTF-8"));
        assert!(is_json("application/merge-patch+json;charset=\"utf-8\""));
        for text in [
            "",
            "text/plain",
            "application/jsonx",
            "application/json; charset=latin1",
            "application/json; version=2",
            "application/json;",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }
}
