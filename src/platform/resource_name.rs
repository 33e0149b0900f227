//! Validated names of resources that users create, such as service clients and personal access tokens.

use std::borrow::Cow;

use validator::ValidationError;

/// The name of a resource: 1 to 100 characters without invisible ones. It is not necessarily unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName(String);

/// The text is not a valid resource name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidResourceName {
    /// The stable error code in `snake_case`.
    pub code: &'static str,
    /// What is allowed.
    pub detail: &'static str,
}

impl ResourceName {
    /// Trims and validates a name.
    ///
    /// # Errors
    /// `too_short`, `too_long` or `invalid_character`.
    pub fn parse(text: &str) -> Result<Self, InvalidResourceName> {
        let name = text.trim();
        let invalid = |code, detail| Err(InvalidResourceName { code, detail });
        match name.chars().count() {
            0 => invalid("too_short", "must not be empty"),
            101.. => invalid("too_long", "must be at most 100 characters"),
            _ if name.chars().any(is_invisible) => invalid(
                "invalid_character",
                "must not contain control characters or invisible characters",
            ),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<InvalidResourceName> for (&'static str, Cow<'static, str>) {
    fn from(error: InvalidResourceName) -> Self {
        (error.code, Cow::Borrowed(error.detail))
    }
}

/// Checks a description: a text without control characters. For `#[validate(custom(…))]`.
///
/// # Errors
/// `invalid_character`.
pub fn check_description(text: &str) -> Result<(), ValidationError> {
    if text.chars().any(char::is_control) {
        let detail = Cow::Borrowed("must not contain control characters");
        return Err(ValidationError::new("invalid_character").with_message(detail));
    }
    Ok(())
}

/// Whether `c` is a control character, a bidirectional formatting character, an invisible character or a noncharacter
/// (Unicode, section 23.7). Such characters can make two different names look the same.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xFFFE == 0xFFFE
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{00AD}' | '\u{FDD0}'..='\u{FDEF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_trimmed_and_has_no_invisible_characters() {
        assert_eq!(
            ResourceName::parse("  CI für Ålesund ").unwrap().as_str(),
            "CI für Ålesund"
        );
        assert!(ResourceName::parse(&"é".repeat(100)).is_ok());
        for (text, code) in [
            (" ", "too_short"),
            (&*"é".repeat(101), "too_long"),
            ("a\nb", "invalid_character"),
            ("a\u{202E}b", "invalid_character"),
            ("a\u{0}b", "invalid_character"),
        ] {
            assert_eq!(
                ResourceName::parse(text).unwrap_err().code,
                code,
                "{text:?}"
            );
        }
    }
}
