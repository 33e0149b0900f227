//! Strict percent-decoding (RFC 3986, section 2.1): broken escapes and invalid UTF-8 are errors.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes `text`. Returns `None` if an escape is incomplete or not hexadecimal, or if the result is not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    // percent-encoding copies a broken escape unchanged.
    if !has_valid_escapes(text) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

fn has_valid_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        matches!(after.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_escapes_are_decoded() {
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
        assert_eq!(decode("%61%2Fb%c3%A9").as_deref(), Some("a/bé"));
        assert_eq!(decode("%2541").as_deref(), Some("%41"));
    }

    #[test]
    fn broken_escapes_and_invalid_utf8_are_rejected() {
        for text in ["%", "%4", "%zz", "%+1", "%%41", "%ff", "%c0%af", "%é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
