//! Request correlation: the trace id of W3C Trace Context, and `X-Request-Id`. Malformed values are ignored.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use actix_web::http::header::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

/// The header with the request id, in requests and responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const ZERO_TRACE_ID: &[u8; 32] = b"00000000000000000000000000000000";
const ZERO_PARENT_ID: &[u8] = b"0000000000000000";

/// A trace id: 32 lower-case hexadecimal digits, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The trace id of the `traceparent` header, or a new one.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::from_traceparent_header(headers).unwrap_or_else(Self::generate)
    }

    fn from_traceparent_header(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&TRACEPARENT);
        let line = lines.next()?;
        match lines.next() {
            None => Self::parse_traceparent(line.as_bytes()),
            Some(_) => None,
        }
    }

    /// Parses `version-traceid-parentid-flags` (W3C Trace Context, section 3.2). Versions after 00 may have more parts.
    fn parse_traceparent(line: &[u8]) -> Option<Self> {
        let mut parts = line.split(|&byte| byte == b'-');
        let version = parts.next().filter(|part| is_lower_hex(part, 2))?;
        let trace_id = parts.next().filter(|part| is_lower_hex(part, 32))?;
        let parent_id = parts.next().filter(|part| is_lower_hex(part, 16))?;
        parts.next().filter(|part| is_lower_hex(part, 2))?;
        let has_more_parts = parts.next().is_some();
        if version == b"ff" || (version == b"00" && has_more_parts) || parent_id == ZERO_PARENT_ID {
            return None;
        }
        let digits: [u8; 32] = trace_id.try_into().ok()?;
        (digits != *ZERO_TRACE_ID).then_some(Self(digits))
    }

    /// Generates a trace id. It must be unique but not secret, so two keyed hashes of a per-thread counter are enough.
    /// The keys are random per thread; no system call is needed per id.
    #[must_use]
    pub fn generate() -> Self {
        thread_local! {
            static KEYS: (RandomState, RandomState) = (RandomState::new(), RandomState::new());
            static COUNTER: Cell<u64> = const { Cell::new(0) };
        }
        let count = COUNTER.get().wrapping_add(1);
        COUNTER.set(count);
        let (high, low) = KEYS.with(|(high, low)| (high.hash_one(count), low.hash_one(count)));
        let bytes = (u128::from(high) << 64 | u128::from(low))
            .max(1)
            .to_be_bytes();
        let mut digits = *ZERO_TRACE_ID;
        // Can't fail: 16 bytes encode to 32 digits.
        let _ = hex::encode_to_slice(bytes, &mut digits);
        Self(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn is_lower_hex(text: &[u8], length: usize) -> bool {
    text.len() == length
        && text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The client's `X-Request-Id`: 1 to 128 letters, digits and `. _ : / = + @ -`. Any other value is ignored.
#[must_use]
pub fn client_request_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/=+@-".contains(&byte);
    ((1..=128).contains(&text.len()) && text.bytes().all(is_allowed)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use std::collections::HashSet;

    const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn trace_id_of(traceparent_lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in traceparent_lines {
            headers.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        TraceId::from_traceparent_header(&headers).map(|trace_id| trace_id.to_string())
    }

    #[test]
    fn valid_traceparent_is_used() {
        let version_00 = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
        assert_eq!(trace_id_of(&[&version_00]).as_deref(), Some(TRACE_ID));
        let later_version = format!("cc-{TRACE_ID}-00f067aa0ba902b7-01-what-comes-later");
        assert_eq!(trace_id_of(&[&later_version]).as_deref(), Some(TRACE_ID));
    }

    #[test]
    fn malformed_traceparent_is_ignored() {
        let valid = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
        assert_eq!(trace_id_of(&[&valid, &valid]), None);
        for malformed in [
            String::new(),
            valid.to_uppercase(),
            format!("ff-{TRACE_ID}-00f067aa0ba902b7-01"),
            format!("00-{TRACE_ID}-00f067aa0ba902b7-01-more"),
            format!("00-{TRACE_ID}-0000000000000000-01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            format!("00-{TRACE_ID}-00f067aa0ba902b7"),
            format!("00-{TRACE_ID}0-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(trace_id_of(&[&malformed]), None, "{malformed}");
        }
    }

    #[test]
    fn generated_trace_ids_are_unique_and_well_formed() {
        let ids: HashSet<_> = (0..1000).map(|_| TraceId::generate().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| is_lower_hex(id.as_bytes(), 32)));
    }

    #[test]
    fn only_safe_request_ids_are_accepted() {
        let request_id = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(text).unwrap());
            client_request_id(&headers).map(str::to_owned)
        };
        assert_eq!(request_id("req-1/a:b").as_deref(), Some("req-1/a:b"));
        assert_eq!(request_id(&"a".repeat(128)).map(|id| id.len()), Some(128));
        for text in ["", "a b", "\"}", "<x>", &"a".repeat(129)] {
            assert_eq!(request_id(text), None, "{text}");
        }
    }
}
