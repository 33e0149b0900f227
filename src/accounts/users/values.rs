//! The values of an account, validated when they are parsed.

use serde_json::Value;

use super::reserved_names::is_reserved;
use crate::platform::resource_name::is_invisible;

/// Why a value is invalid: a stable code and a text that says what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct InvalidValue {
    /// Stable `snake_case`.
    pub code: &'static str,
    /// What is allowed.
    pub detail: &'static str,
}

const fn invalid(code: &'static str, detail: &'static str) -> InvalidValue {
    InvalidValue { code, detail }
}

/// A username: 3 to 50 characters of `[a-z0-9._-]`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Parses the name of a new account after trimming and lower-casing it.
    ///
    /// # Errors
    /// `too_short`, `too_long`, `invalid_format` or `reserved`, also for a name that looks like a reserved one.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let Self(name) = Self::parse_existing(text)?;
        let is_separator = |c: char| matches!(c, '.' | '_' | '-');
        let has_double_separator = name
            .as_bytes()
            .windows(2)
            .any(|pair| pair.iter().all(|byte| is_separator(char::from(*byte))));
        if name.ends_with(is_separator) || has_double_separator {
            return Err(invalid(
                "invalid_format",
                "must not end with . _ - or contain two of them in a row",
            ));
        }
        if is_uuid(&name) {
            return Err(invalid(
                "reserved",
                "must not have the form of an id (UUID)",
            ));
        }
        if is_reserved(&name) {
            return Err(invalid(
                "reserved",
                "this name is reserved; choose another one",
            ));
        }
        Ok(Self(name))
    }

    /// Parses a name that an account may have: older accounts may have names that can't be chosen any more.
    ///
    /// # Errors
    /// `too_short`, `too_long` or `invalid_format`.
    pub fn parse_existing(text: &str) -> Result<Self, InvalidValue> {
        let name = Self::normalize(text);
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match name.chars().count() {
            0..3 => return Err(invalid("too_short", "must be 3 to 50 characters")),
            51.. => return Err(invalid("too_long", "must be 3 to 50 characters")),
            _ => {}
        }
        let is_allowed = |c: char| is_plain(c) || matches!(c, '.' | '_' | '-');
        if name.starts_with(is_plain) && name.chars().all(is_allowed) {
            Ok(Self(name))
        } else {
            Err(invalid(
                "invalid_format",
                "must begin with a letter (a to z) or digit and contain only these and . _ -",
            ))
        }
    }

    /// The form in which a name is stored and looked up: trimmed, with ASCII letters in lower case. Other letters are not
    /// converted, so that none of them becomes an ASCII letter.
    #[must_use]
    pub fn normalize(text: &str) -> String {
        text.trim().to_ascii_lowercase()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the text has the form of a UUID, with any of the hyphens. Such a username could be mistaken for the id of a user.
fn is_uuid(name: &str) -> bool {
    let digits = name.replace('-', "");
    name.len() <= 36 && digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

/// An email address of the form `local@domain`. It is stored as entered and compared case-insensitively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses an address after trimming it. Quoted local parts, comments, address literals, lists and non-ASCII characters
    /// are rejected; internationalized domains need their `xn--` form.
    ///
    /// # Errors
    /// `invalid_email` or `too_long`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        use validator::ValidateEmail;
        let address = text.trim();
        if address.len() > 254 {
            return Err(invalid("too_long", "must be at most 254 characters"));
        }
        let plain = address.is_ascii()
            && address.matches('@').count() == 1
            && !address.contains(|c: char| {
                c.is_ascii_control() || c.is_ascii_whitespace() || "\"(),:;<>[\\]".contains(c)
            })
            && !address.contains("..")
            && address.rsplit_once('@').is_some_and(|(local, domain)| {
                !local.starts_with('.') && !local.ends_with('.') && domain.contains('.')
            });
        if plain && address.validate_email() {
            Ok(Self(address.to_owned()))
        } else {
            Err(invalid(
                "invalid_email",
                "must be an email address of the form name@example.org",
            ))
        }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A username as messages show it: with `[.]` for each dot. Mail programs turn names such as `example.com` into links.
#[must_use]
pub fn name_in_mail(username: &str) -> String {
    username.replace('.', "[.]")
}

/// Parses a display name: 1 to 200 characters without control characters.
///
/// # Errors
/// `too_short`, `too_long` or `invalid_character`.
pub fn parse_display_name(text: &str) -> Result<String, InvalidValue> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err(invalid(
            "too_short",
            "must not be empty; use null to remove it",
        )),
        201.. => Err(invalid("too_long", "must be at most 200 characters")),
        _ if name.chars().any(is_invisible) => Err(invalid(
            "invalid_character",
            "must not contain control characters",
        )),
        _ => Ok(name.to_owned()),
    }
}

/// Trims a tag and converts it to lower case. It must have 1 to 64 characters of `[a-z0-9:._-]`.
///
/// # Errors
/// `too_short`, `too_long` or `invalid_format`.
pub fn parse_tag(text: &str) -> Result<String, InvalidValue> {
    let tag = text.trim().to_ascii_lowercase();
    match tag.len() {
        0 => Err(invalid("too_short", "must be 1 to 64 characters")),
        65.. => Err(invalid("too_long", "must be 1 to 64 characters")),
        _ if tag
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ":._-".contains(c)) =>
        {
            Ok(tag)
        }
        _ => Err(invalid(
            "invalid_format",
            "must contain only letters (a to z), digits and : . _ -",
        )),
    }
}

/// Parses a set of at most 50 tags and sorts it.
///
/// # Errors
/// The index of the first invalid tag (`None`: too many tags) and the reason.
pub fn parse_tags(texts: &[String]) -> Result<Vec<String>, (Option<usize>, InvalidValue)> {
    if texts.len() > 50 {
        return Err((None, invalid("too_many", "must be at most 50 tags")));
    }
    let mut tags = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        tags.push(parse_tag(text).map_err(|error| (Some(index), error))?);
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// Checks the attributes that applications store: a JSON object of at most 16 KiB, without control characters except line
/// feeds and tabs.
///
/// # Errors
/// `invalid_type`, `too_long` or `invalid_character`.
pub fn check_attributes(value: Value) -> Result<Value, InvalidValue> {
    const MAX_LENGTH: usize = 16 * 1024;
    if !value.is_object() {
        return Err(invalid("invalid_type", "must be a JSON object"));
    }
    if value.to_string().len() > MAX_LENGTH {
        return Err(invalid("too_long", "must be at most 16 KiB as JSON"));
    }
    if has_control_character(&value) {
        return Err(invalid(
            "invalid_character",
            "must not contain control characters except line feeds and tabs",
        ));
    }
    Ok(value)
}

/// Whether a name or a text in the value contains a control character other than a line feed or a tab.
fn has_control_character(value: &Value) -> bool {
    let in_text = |text: &str| {
        text.chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    };
    match value {
        Value::String(text) => in_text(text),
        Value::Array(items) => items.iter().any(has_control_character),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| in_text(name) || has_control_character(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Parses the name of an external identity provider or an id there: 1 to 255 characters without control characters.
///
/// # Errors
/// `too_short`, `too_long` or `invalid_character`.
pub fn parse_external_name(text: &str) -> Result<String, InvalidValue> {
    match text.trim().chars().count() {
        0 => Err(invalid(
            "too_short",
            "must not be empty; use null to remove it",
        )),
        256.. => Err(invalid("too_long", "must be at most 255 characters")),
        _ if text.chars().any(is_invisible) => Err(invalid(
            "invalid_character",
            "must not contain control characters",
        )),
        _ => Ok(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn usernames_are_trimmed_and_lower_cased() {
        assert_eq!(
            Username::parse("  Ada.L-1_x ").unwrap().as_str(),
            "ada.l-1_x"
        );
        assert_eq!(Username::parse("admin").unwrap().as_str(), "admin");
        assert!(Username::parse(&"a".repeat(50)).is_ok());
    }

    #[test]
    fn invalid_usernames_are_rejected() {
        for (text, code) in [
            ("ab", "too_short"),
            ("", "too_short"),
            ("me", "too_short"),
            ("NULL", "reserved"),
            ("system", "reserved"),
            ("01990a7e-5f1c-7d3a-8b0e-0123456789ab", "reserved"),
            ("01990A7E5F1C7D3A8B0E0123456789AB", "reserved"),
            ("01990a7e-5f1c7d3a8b0e0123456789ab", "reserved"),
            ("admin.", "invalid_format"),
            ("ad..a", "invalid_format"),
            ("ad.-a", "invalid_format"),
            ("ad-min", "reserved"),
            ("adrnin", "reserved"),
            ("adm1n", "reserved"),
            ("r00t", "reserved"),
            ("sys.tem", "reserved"),
            (".ada", "invalid_format"),
            ("ada lovelace", "invalid_format"),
            ("аda", "invalid_format"),
            ("ad\u{212A}", "invalid_format"),
            ("ada\u{200B}x", "invalid_format"),
        ] {
            assert_eq!(Username::parse(text).unwrap_err().code, code, "{text:?}");
        }
        assert_eq!(
            Username::parse(&"a".repeat(51)).unwrap_err().code,
            "too_long"
        );
    }

    #[test]
    fn display_names_contain_no_noncharacters() {
        for text in [
            "a\u{FFFF}",
            "a\u{FFFE}",
            "a\u{1FFFF}",
            "a\u{FDD0}",
            "a\u{10FFFE}",
        ] {
            assert_eq!(
                parse_display_name(text).unwrap_err().code,
                "invalid_character"
            );
        }
        assert!(parse_display_name("Ada \u{FFFD}").is_ok());
    }

    #[test]
    fn attributes_have_no_control_characters() {
        for valid in [
            json!({}),
            json!({"note": "two\nlines\tand a tab", "n": [1, null, true]}),
        ] {
            assert!(check_attributes(valid.clone()).is_ok(), "{valid}");
        }
        for invalid in [
            json!({"note": "\u{1b}[31m"}),
            json!({"a": ["b", {"c": "\u{0}"}]}),
            json!({"a\u{7f}": 1}),
            json!({"a": "\r"}),
        ] {
            let error = check_attributes(invalid.clone()).unwrap_err();
            assert_eq!(error.code, "invalid_character", "{invalid}");
        }
    }

    // SECURITY: D20
    #[test]
    fn ambiguous_email_addresses_are_rejected() {
        for invalid in [
            "a\u{FE6B}b.com",
            "a\u{FF20}b.com",
            "a@b@c.com",
            "\"a b\"@c.com",
            "a@(x)b.com",
            "a@b.com\r\nBcc: e@f.g",
            "a@b.com,evil@x.com",
            "a@m\u{fc}nchen.de",
            "a@b",
            "@b.com",
            "a@",
            "a..b@c.com",
            ".a@c.com",
            "a@[127.0.0.1]",
            "<a@b.com>",
            "a@b..com",
        ] {
            assert!(Email::parse(invalid).is_err(), "{invalid:?}");
        }
        for valid in ["a@b.com", " Ada+tag@Example.org ", "a@xn--mnchen-3ya.de"] {
            assert!(Email::parse(valid).is_ok(), "{valid:?}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_username_parses_to_itself(text in "\\PC{0,60}") {
            if let Ok(name) = Username::parse(&text) {
                prop_assert!((3..=50).contains(&name.as_str().len()));
                prop_assert_eq!(Username::parse(name.as_str()), Ok(name.clone()));
            }
        }

        #[test]
        fn tags_are_sorted_and_unique(texts in prop::collection::vec("[a-cA-C]{1,2}", 0..8)) {
            let tags = parse_tags(&texts).unwrap();
            prop_assert!(tags.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
