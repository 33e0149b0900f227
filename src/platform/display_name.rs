//! What people call the things that they make, and which characters no such name has. Names that must be unique have rules
//! of their own.

use std::borrow::Cow;

/// What somebody calls a thing of theirs: 1 to 100 characters, none of them invisible. Nothing says that it is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

/// Why a text is no label: a stable code and a sentence for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadLabel {
    /// Stable `snake_case`.
    pub code: &'static str,
    /// What is accepted.
    pub detail: &'static str,
}

impl Label {
    /// Reads a name after trimming it.
    ///
    /// # Errors
    /// `too_short`, `too_long` or `invalid_character`.
    pub fn parse(text: &str) -> Result<Self, BadLabel> {
        let name = text.trim();
        let bad = |code, detail| Err(BadLabel { code, detail });
        match name.chars().count() {
            0 => bad("too_short", "a name is not empty"),
            101.. => bad("too_long", "a name has at most 100 characters"),
            _ if name.chars().any(is_invisible) => {
                bad("invalid_character", "control characters are not accepted")
            }
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<BadLabel> for (&'static str, Cow<'static, str>) {
    fn from(bad: BadLabel) -> Self {
        (bad.code, Cow::Borrowed(bad.detail))
    }
}

/// Control characters, and the marks that turn the direction of text or hide in it: they make one name look like another.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{00AD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_trimmed_and_has_nothing_invisible_in_it() {
        assert_eq!(
            Label::parse("  CI für Ålesund ").unwrap().as_str(),
            "CI für Ålesund"
        );
        assert!(Label::parse(&"é".repeat(100)).is_ok());
        for (text, code) in [
            (" ", "too_short"),
            (&*"é".repeat(101), "too_long"),
            ("a\nb", "invalid_character"),
            ("a\u{202E}b", "invalid_character"),
            ("a\u{0}b", "invalid_character"),
        ] {
            assert_eq!(Label::parse(text).unwrap_err().code, code, "{text:?}");
        }
    }
}
