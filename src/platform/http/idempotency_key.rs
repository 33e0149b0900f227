//! The `Idempotency-Key` header. The idempotency module defines the scope and lifetime of a key.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};

use crate::platform::error::AppError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The value of `Idempotency-Key`, if present: 1 to 255 printable ASCII characters.
///
/// `Idempotency-Key: abc` and the structured string `Idempotency-Key: "abc"` (RFC 8941, section 3.3.3) are the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    fn from_headers(headers: &HeaderMap) -> Result<Self, AppError> {
        let mut lines = headers.get_all(IDEMPOTENCY_KEY);
        let Some(line) = lines.next() else {
            return Ok(Self(None));
        };
        let key = match lines.next() {
            None => parse(line.as_bytes()),
            Some(_) => None,
        };
        key.map(|key| Self(Some(key))).ok_or_else(|| {
            let detail = "must be a single key of 1 to 255 printable ASCII characters";
            AppError::invalid_field("Idempotency-Key", "invalid_header", detail)
        })
    }
}

fn parse(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest.strip_suffix('"')?)?,
        None => text.to_owned(),
    };
    let is_printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (is_printable && (1..=255).contains(&key.len())).then_some(key)
}

/// Decodes the escapes of a structured string: only `\"` and `\\` are valid.
fn unquote(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let mut unquoted = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        unquoted.push(match c {
            '\\' => chars.next().filter(|next| matches!(next, '"' | '\\'))?,
            '"' => return None,
            other => other,
        });
    }
    Some(unquoted)
}

impl FromRequest for IdempotencyKey {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::from_headers(req.headers()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn key(lines: &[&[u8]]) -> Result<Option<String>, AppError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(line).unwrap());
        }
        IdempotencyKey::from_headers(&headers).map(|key| key.0)
    }

    #[test]
    fn plain_and_quoted_forms_are_the_same_key() {
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&[b"abc-1"]).unwrap().as_deref(), Some("abc-1"));
        assert_eq!(key(&[b"\"abc-1\""]).unwrap().as_deref(), Some("abc-1"));
        assert_eq!(key(&[br#""a\"\\b""#]).unwrap().as_deref(), Some(r#"a"\b"#));
        assert_eq!(
            key(&["k".repeat(255).as_bytes()])
                .unwrap()
                .map(|key| key.len()),
            Some(255)
        );
    }

    #[test]
    fn invalid_keys_are_rejected() {
        let long = "k".repeat(256);
        let invalid: [&[&[u8]]; 8] = [
            &[b""],
            &[b"\"\""],
            &[b"\"a"],
            &[br#""a\n""#],
            &[b"\"a\"b\""],
            &[b"\xc3\xa9"],
            &[long.as_bytes()],
            &[b"a", b"b"],
        ];
        for lines in invalid {
            let error = key(lines).unwrap_err();
            assert_eq!(
                error.field_errors()[0].pointer,
                "Idempotency-Key",
                "{lines:?}"
            );
        }
    }
}
