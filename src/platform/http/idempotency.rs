//! The `Idempotency-Key` header. What a key stands for, and for how long, is decided where answers are kept.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};

use crate::platform::error::AppError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The caller's name for one attempt, if it gave one: 1 to 255 printable ASCII characters.
///
/// Both `Idempotency-Key: abc` and the structured form `Idempotency-Key: "abc"` (RFC 8941, section 3.3.3) name `abc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    fn of(headers: &HeaderMap) -> Result<Self, AppError> {
        let mut lines = headers.get_all(IDEMPOTENCY_KEY);
        let Some(line) = lines.next() else {
            return Ok(Self(None));
        };
        let key = match lines.next() {
            None => read(line.as_bytes()),
            Some(_) => None,
        };
        key.map(|key| Self(Some(key))).ok_or_else(|| {
            let detail = "must be one key of 1 to 255 printable ASCII characters";
            AppError::fault("Idempotency-Key", "invalid_header", detail)
        })
    }
}

fn read(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest.strip_suffix('"')?)?,
        None => text.to_owned(),
    };
    let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (printable && (1..=255).contains(&key.len())).then_some(key)
}

/// Undoes the escapes of a structured string: `\"` and `\\`, no other.
fn unquote(text: &str) -> Option<String> {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => letters.next().filter(|next| matches!(next, '"' | '\\'))?,
            '"' => return None,
            other => other,
        });
    }
    Some(plain)
}

impl FromRequest for IdempotencyKey {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(req.headers()))
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
        IdempotencyKey::of(&headers).map(|key| key.0)
    }

    #[test]
    fn both_forms_name_the_same_key() {
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
    fn anything_else_is_refused() {
        let long = "k".repeat(256);
        let wrong: [&[&[u8]]; 8] = [
            &[b""],
            &[b"\"\""],
            &[b"\"a"],
            &[br#""a\n""#],
            &[b"\"a\"b\""],
            &[b"\xc3\xa9"],
            &[long.as_bytes()],
            &[b"a", b"b"],
        ];
        for lines in wrong {
            let error = key(lines).unwrap_err();
            assert_eq!(error.faults()[0].pointer, "Idempotency-Key", "{lines:?}");
        }
    }
}
