//! The names a request is traced by: the trace id of W3C Trace Context, and `X-Request-Id`.
//! What a caller sends is taken only when it is well formed; anything else is as if it had not been sent.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use actix_web::http::header::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

/// The header in which a request's name travels, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const NO_TRACE: &[u8; 32] = b"00000000000000000000000000000000";
const NO_PARENT: &[u8] = b"0000000000000000";

/// A trace id: 32 lower-case hexadecimal digits, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The caller's trace, or a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self::continued(headers).unwrap_or_else(Self::fresh)
    }

    fn continued(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&TRACEPARENT);
        let line = lines.next()?;
        match lines.next() {
            None => Self::from_traceparent(line.as_bytes()),
            Some(_) => None,
        }
    }

    /// Reads `version-traceid-parentid-flags` (W3C Trace Context, section 3.2). A version after 00 may say more.
    fn from_traceparent(line: &[u8]) -> Option<Self> {
        let mut parts = line.split(|&byte| byte == b'-');
        let version = parts.next().filter(|part| is_hex(part, 2))?;
        let trace = parts.next().filter(|part| is_hex(part, 32))?;
        let parent = parts.next().filter(|part| is_hex(part, 16))?;
        parts.next().filter(|part| is_hex(part, 2))?;
        let says_more = parts.next().is_some();
        if version == b"ff" || (version == b"00" && says_more) || parent == NO_PARENT {
            return None;
        }
        let digits: [u8; 32] = trace.try_into().ok()?;
        (digits != *NO_TRACE).then_some(Self(digits))
    }

    /// A new one. It has to be unlike every other, not secret: two keyed hashes of a counter, under keys that each
    /// thread draws at random, cost no system call.
    #[must_use]
    pub fn fresh() -> Self {
        thread_local! {
            static KEYS: (RandomState, RandomState) = (RandomState::new(), RandomState::new());
            static COUNT: Cell<u64> = const { Cell::new(0) };
        }
        let count = COUNT.get().wrapping_add(1);
        COUNT.set(count);
        let (high, low) = KEYS.with(|(high, low)| (high.hash_one(count), low.hash_one(count)));
        let bytes = (u128::from(high) << 64 | u128::from(low))
            .max(1)
            .to_be_bytes();
        let mut digits = *NO_TRACE;
        // The lengths match, so this can't fail.
        let _ = hex::encode_to_slice(bytes, &mut digits);
        Self(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn is_hex(text: &[u8], length: usize) -> bool {
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

/// The caller's own name for the request: 1 to 128 letters, digits and `. _ : / = + @ -`.
#[must_use]
pub fn given_request_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/=+@-".contains(&byte);
    ((1..=128).contains(&text.len()) && text.bytes().all(safe)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use std::collections::HashSet;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn continued(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        TraceId::continued(&headers).map(|trace| trace.to_string())
    }

    #[test]
    fn a_well_formed_traceparent_is_continued() {
        let line = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(continued(&[&line]).as_deref(), Some(TRACE));
        let later = format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later");
        assert_eq!(continued(&[&later]).as_deref(), Some(TRACE));
    }

    #[test]
    fn anything_else_is_as_if_not_sent() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(continued(&[&good, &good]), None);
        for bad in [
            String::new(),
            good.to_uppercase(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("00-{TRACE}-0000000000000000-01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}0-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(continued(&[&bad]), None, "{bad}");
        }
    }

    #[test]
    fn new_traces_differ_and_are_well_formed() {
        let traces: HashSet<_> = (0..1000).map(|_| TraceId::fresh().to_string()).collect();
        assert_eq!(traces.len(), 1000);
        assert!(traces.iter().all(|trace| is_hex(trace.as_bytes(), 32)));
    }

    #[test]
    fn only_a_harmless_request_id_is_echoed() {
        let given = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(text).unwrap());
            given_request_id(&headers).map(str::to_owned)
        };
        assert_eq!(given("req-1/a:b").as_deref(), Some("req-1/a:b"));
        assert_eq!(given(&"a".repeat(128)).map(|id| id.len()), Some(128));
        for bad in ["", "a b", "\"}", "<x>", &"a".repeat(129)] {
            assert_eq!(given(bad), None, "{bad}");
        }
    }
}
