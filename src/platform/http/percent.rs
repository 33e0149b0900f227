//! Percent encoding (RFC 3986, section 2.1), undone strictly: a broken escape is not taken for itself, nor bytes that
//! are no UTF-8 for something like them.

use std::borrow::Cow;

/// `text` without its escapes; `None` when one is broken or the result is no UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_broken_ones_refused() {
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
        assert_eq!(decode("%61%2Fb%c3%A9").as_deref(), Some("a/bé"));
        for broken in ["%", "%4", "%zz", "%+1", "%ff", "%c0%af", "%é"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
