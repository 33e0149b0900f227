//! A password as a person typed it, in NFC. It has no `Debug`, `Display`, `Serialize` or `Clone`, and
//! its memory is wiped when it is dropped.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A password in Unicode normalization form C, so that one typed on another keyboard is still the same
/// (NIST SP 800-63B-4, 3.1.1.2). In JSON it is a string, and it is only ever read.
///
/// Any text can be held, one that is too long too: [`Policy::check`](super::Policy::check) refuses it
/// with a reason, and verifying it costs what any wrong password costs.
#[derive(ToSchema)]
#[schema(
    value_type = String, format = Password,
    description = "Any Unicode, brought to normalization form C. One that is set has at least 15 characters (unless the \
        service is configured otherwise) and at most 1024 bytes of UTF-8, and is neither common nor made of the account's own names."
)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The longest password that can be set or be right, in bytes of UTF-8 after normalization.
    pub const MAX_BYTES: usize = 1024;

    /// Takes over the text and normalizes it; nothing is trimmed. What was typed is wiped.
    #[must_use]
    pub fn new(typed: String) -> Self {
        let typed = Zeroizing::new(typed);
        if is_nfc_quick(typed.chars()) == IsNormalized::Yes {
            return Self(typed);
        }
        // NFC is at most three times as long (UAX #15), so this never moves and leaves no copy behind.
        let mut composed = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(3)));
        composed.extend(typed.nfc());
        Self(composed)
    }

    /// A second copy, asked for by name: to hash a password anew after it was verified.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.0.len() > Self::MAX_BYTES
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a string, a format refuses a number itself, and quotes it.
        deserializer.deserialize_any(PasswordVisitor)
    }
}

/// Reads a string. Numbers and booleans are refused without repeating them: serde's own message quotes
/// the value, and `{"password": 123456}` would end in a log.
struct PasswordVisitor;

impl PasswordVisitor {
    fn refuse<E: Error>(self, kind: &'static str) -> Result<Password, E> {
        Err(E::invalid_type(Unexpected::Other(kind), &self))
    }
}

impl Visitor<'_> for PasswordVisitor {
    type Value = Password;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a password as a string")
    }

    fn visit_str<E: Error>(self, typed: &str) -> Result<Password, E> {
        Ok(Password::new(typed.to_owned()))
    }

    fn visit_string<E: Error>(self, typed: String) -> Result<Password, E> {
        Ok(Password::new(typed))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Password, E> {
        self.refuse("a boolean")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Password, E> {
        self.refuse("a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Password, E> {
        self.refuse("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Password, E> {
        self.refuse("a number")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use utoipa::PartialSchema;

    use super::*;
    use crate::access::passwords::PasswordHash;

    fn typed(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    /// Does not compile when the type has the trait: then both implementations fit.
    macro_rules! assert_has_not {
        ($type:ty: $($trait:path),+) => {$({
            trait Ambiguous<Which> { fn told() {} }
            struct Has;
            impl<T> Ambiguous<()> for T {}
            impl<T: $trait> Ambiguous<Has> for T {}
            <$type as Ambiguous<_>>::told();
        })+};
    }

    #[test]
    fn secrets_can_neither_be_printed_nor_copied_unawares() {
        assert_has_not!(Password: fmt::Debug, fmt::Display, Clone, serde::Serialize);
        assert_has_not!(PasswordHash: fmt::Debug, fmt::Display, Clone, serde::Serialize);
    }

    #[test]
    fn composed_and_decomposed_text_are_one_password() {
        let composed = typed("h\u{e9}llo w\u{f6}rld, gar\u{e7}on");
        let decomposed = typed("he\u{301}llo wo\u{308}rld, garc\u{327}on");
        assert!(composed.as_str() == decomposed.as_str());
    }

    #[test]
    fn compatibility_forms_stay_apart() {
        assert!(typed("\u{fb01}sh").as_str() == "\u{fb01}sh");
        assert!(typed("\u{fb01}e\u{301}").as_str() == "\u{fb01}\u{e9}");
    }

    #[test]
    fn nothing_is_trimmed_or_cut() {
        for text in [" a ", "a\0b", "tab\t", "line\n", "\u{feff}x"] {
            assert!(typed(text).as_str() == text);
        }
        let long = "x".repeat(Password::MAX_BYTES + 1);
        assert!(typed(&long).as_str() == long);
        assert!(typed(&long).is_too_long());
        assert!(!typed(long.strip_prefix('x').unwrap()).is_too_long());
    }

    #[test]
    fn json_strings_are_read_with_their_escapes() {
        let read: Password = serde_json::from_str(r#""pa\u0065\u0301ss \"word\"""#).unwrap();
        assert!(read.as_str() == "pa\u{e9}ss \"word\"");
        let read: Password = serde_json::from_value(serde_json::json!("plain")).unwrap();
        assert!(read.as_str() == "plain");
    }

    #[test]
    fn a_refusal_never_repeats_the_value() {
        for json in ["987654", "-987654", "98.7654", "true", "null", "[987654]"] {
            let refusal = serde_json::from_str::<Password>(json)
                .err()
                .map(|error| error.to_string())
                .unwrap();
            assert!(!refusal.contains("654"), "{refusal}");
            assert!(!refusal.contains("true"), "{refusal}");
            assert!(refusal.contains("a password as a string"), "{refusal}");
        }
    }

    #[test]
    fn the_document_shows_a_string_of_format_password() {
        let schema = serde_json::to_value(Password::schema()).unwrap();
        assert_eq!(schema["type"], "string");
        assert_eq!(schema["format"], "password");
    }

    proptest! {
        #[test]
        fn normalizing_is_stable_and_stays_in_its_first_allocation(text in "\\PC{0,40}") {
            let once = typed(&text);
            prop_assert!(once.as_str().len() <= text.len() * 3);
            prop_assert!(once.duplicate().as_str() == typed(once.as_str()).as_str());
        }
    }
}
