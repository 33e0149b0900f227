//! A password as typed, normalized to NFC. It has no `Debug`, `Display`, `Serialize` or `Clone`, and its memory is zeroized
//! when it is dropped.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A password in Unicode normalization form C, so that it does not depend on the keyboard or operating system
/// (NIST SP 800-63B-4, 3.1.1.2). In JSON it is a string that can only be deserialized.
///
/// It can hold any text, also one that is too long: [`PasswordPolicy::check`](super::PasswordPolicy::check) reports that as
/// a weakness, and verifying it takes as long as verifying any wrong password.
#[derive(ToSchema)]
#[schema(
    value_type = String, format = Password,
    description = "Any Unicode text; it is normalized to NFC. A new password needs at least 15 characters (the operator can \
        change this minimum) and at most 1024 bytes of UTF-8. It must not be a common password, and it must not consist of the \
        username, the email address or the service's name."
)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The maximum length in bytes of UTF-8 after normalization. A longer password can neither be set nor match a hash.
    pub const MAX_BYTES: usize = 1024;

    /// Normalizes the text without trimming it. The original text is zeroized.
    #[must_use]
    pub fn new(typed: String) -> Self {
        let typed = Zeroizing::new(typed);
        if is_nfc_quick(typed.chars()) == IsNormalized::Yes {
            return Self(typed);
        }
        // NFC is at most three times as long (UAX #15). With this capacity the buffer is never reallocated, so no copy
        // is left in freed memory.
        let mut composed = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(3)));
        composed.extend(typed.nfc());
        Self(composed)
    }

    /// An explicit copy, used to rehash a password after it was verified.
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
        // With `deserialize_str`, serde_json would reject a number itself and quote it in the error message.
        deserializer.deserialize_any(PasswordVisitor)
    }
}

/// Accepts a string. Numbers and booleans are rejected without quoting them: serde's default message contains the value,
/// so the password in `{"password": 123456}` could end up in a log.
struct PasswordVisitor;

impl PasswordVisitor {
    fn invalid_type<E: Error>(self, kind: &'static str) -> Result<Password, E> {
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
        self.invalid_type("a boolean")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Password, E> {
        self.invalid_type("a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Password, E> {
        self.invalid_type("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Password, E> {
        self.invalid_type("a number")
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

    /// Does not compile if the type implements the trait, because then both implementations apply.
    macro_rules! assert_not_implemented {
        ($type:ty: $($trait:path),+) => {$({
            trait Ambiguous<Marker> { fn check() {} }
            struct ImplementsTrait;
            impl<T> Ambiguous<()> for T {}
            impl<T: $trait> Ambiguous<ImplementsTrait> for T {}
            <$type as Ambiguous<_>>::check();
        })+};
    }

    #[test]
    fn passwords_and_hashes_implement_neither_debug_display_clone_nor_serialize() {
        assert_not_implemented!(Password: fmt::Debug, fmt::Display, Clone, serde::Serialize);
        assert_not_implemented!(PasswordHash: fmt::Debug, fmt::Display, Clone, serde::Serialize);
    }

    #[test]
    fn composed_and_decomposed_text_are_the_same_password() {
        let composed = typed("h\u{e9}llo w\u{f6}rld, gar\u{e7}on");
        let decomposed = typed("he\u{301}llo wo\u{308}rld, garc\u{327}on");
        assert!(composed.as_str() == decomposed.as_str());
    }

    #[test]
    fn compatibility_characters_are_not_folded() {
        assert!(typed("\u{fb01}sh").as_str() == "\u{fb01}sh");
        assert!(typed("\u{fb01}e\u{301}").as_str() == "\u{fb01}\u{e9}");
    }

    #[test]
    fn text_is_neither_trimmed_nor_truncated() {
        for text in [" a ", "a\0b", "tab\t", "line\n", "\u{feff}x"] {
            assert!(typed(text).as_str() == text);
        }
        let long = "x".repeat(Password::MAX_BYTES + 1);
        assert!(typed(&long).as_str() == long);
        assert!(typed(&long).is_too_long());
        assert!(!typed(long.strip_prefix('x').unwrap()).is_too_long());
    }

    #[test]
    fn json_escapes_are_decoded() {
        let password: Password = serde_json::from_str(r#""pa\u0065\u0301ss \"word\"""#).unwrap();
        assert!(password.as_str() == "pa\u{e9}ss \"word\"");
        let password: Password = serde_json::from_value(serde_json::json!("plain")).unwrap();
        assert!(password.as_str() == "plain");
    }

    #[test]
    fn deserialization_error_does_not_contain_the_value() {
        for json in ["987654", "-987654", "98.7654", "true", "null", "[987654]"] {
            let message = serde_json::from_str::<Password>(json)
                .err()
                .map(|error| error.to_string())
                .unwrap();
            assert!(!message.contains("654"), "{message}");
            assert!(!message.contains("true"), "{message}");
            assert!(message.contains("a password as a string"), "{message}");
        }
    }

    #[test]
    fn openapi_schema_is_a_string_of_format_password() {
        let schema = serde_json::to_value(Password::schema()).unwrap();
        assert_eq!(schema["type"], "string");
        assert_eq!(schema["format"], "password");
    }

    proptest! {
        #[test]
        fn normalization_is_idempotent_and_never_reallocates(text in "\\PC{0,40}") {
            let normalized = typed(&text);
            prop_assert!(normalized.as_str().len() <= text.len() * 3);
            prop_assert!(normalized.duplicate().as_str() == typed(normalized.as_str()).as_str());
        }
    }
}
