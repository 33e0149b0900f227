//! The values of an account, each parsed once into a type that can't hold a wrong one.

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use serde_json::Value;

use crate::platform::display_name::is_invisible;

/// Why a value is not one: a stable code and a sentence for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadValue {
    /// Stable `snake_case`.
    pub code: &'static str,
    /// What is accepted.
    pub detail: &'static str,
}

const fn bad(code: &'static str, detail: &'static str) -> BadValue {
    BadValue { code, detail }
}

/// Names that would be taken for something else.
const RESERVED: [&str; 16] = [
    "me",
    "system",
    "null",
    "undefined",
    "anonymous",
    "nobody",
    "everyone",
    "all",
    "none",
    "root",
    "rosterd",
    "self",
    "guest",
    "unknown",
    "true",
    "false",
];

/// A username: 3 to 50 of `[a-z0-9._-]`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Reads a name after trimming and lower-casing it.
    ///
    /// # Errors
    /// `too_short`, `too_long`, `invalid_format` or `reserved`.
    pub fn parse(text: &str) -> Result<Self, BadValue> {
        let name = Self::normalize(text);
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match name.chars().count() {
            0..3 => return Err(bad("too_short", "a username has at least 3 characters")),
            51.. => return Err(bad("too_long", "a username has at most 50 characters")),
            _ => {}
        }
        if !name.starts_with(is_plain)
            || !name
                .chars()
                .all(|c| is_plain(c) || matches!(c, '.' | '_' | '-'))
        {
            return Err(bad(
                "invalid_format",
                "a username has letters a to z, digits, and after the first of these . _ -",
            ));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(bad("reserved", "this name is reserved"));
        }
        Ok(Self(name))
    }

    /// How a name is looked up: trimmed, and lower case in ASCII only, so that no foreign letter becomes an `a` to `z`.
    #[must_use]
    pub fn normalize(text: &str) -> String {
        text.trim().to_ascii_lowercase()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An email address of the plain form `local@domain`; kept as written, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads an address after trimming it. Quoted local parts, comments, address literals, lists and anything outside
    /// ASCII (an internationalised domain is written in its `xn--` form) are refused.
    ///
    /// # Errors
    /// `invalid_email` or `too_long`.
    pub fn parse(text: &str) -> Result<Self, BadValue> {
        use validator::ValidateEmail;
        let address = text.trim();
        if address.len() > 254 {
            return Err(bad(
                "too_long",
                "an email address has at most 254 characters",
            ));
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
            Err(bad(
                "invalid_email",
                "this is not an email address of the form name@example.org",
            ))
        }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A display name: what people call this person; 1 to 200 characters without control characters.
///
/// # Errors
/// `too_short`, `too_long` or `invalid_character`.
pub fn display_name(text: &str) -> Result<String, BadValue> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err(bad(
            "too_short",
            "a display name is not empty; null removes it",
        )),
        201.. => Err(bad("too_long", "a display name has at most 200 characters")),
        _ if name.chars().any(is_invisible) => Err(bad(
            "invalid_character",
            "control characters are not accepted",
        )),
        _ => Ok(name.to_owned()),
    }
}

/// A tag: 1 to 64 of `[a-z0-9:._-]`, lower-cased.
///
/// # Errors
/// `too_short`, `too_long` or `invalid_format`.
pub fn tag(text: &str) -> Result<String, BadValue> {
    let tag = text.trim().to_ascii_lowercase();
    match tag.len() {
        0 => Err(bad("too_short", "a tag is not empty")),
        65.. => Err(bad("too_long", "a tag has at most 64 characters")),
        _ if tag
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ":._-".contains(c)) =>
        {
            Ok(tag)
        }
        _ => Err(bad(
            "invalid_format",
            "a tag has letters a to z, digits and : . _ -",
        )),
    }
}

/// A set of tags, sorted: at most 50.
///
/// # Errors
/// The index of the first bad one (`None`: there are too many) and what is wrong with it.
pub fn tags(texts: &[String]) -> Result<Vec<String>, (Option<usize>, BadValue)> {
    if texts.len() > 50 {
        return Err((None, bad("too_many", "an account has at most 50 tags")));
    }
    let mut tags = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        tags.push(tag(text).map_err(|wrong| (Some(index), wrong))?);
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// What an app notes about an account: a JSON object of at most 16 KiB.
///
/// # Errors
/// `invalid_type` or `too_long`.
pub fn attributes(value: Value) -> Result<Value, BadValue> {
    const LARGEST: usize = 16 * 1024;
    if !value.is_object() {
        return Err(bad("invalid_type", "attributes are an object"));
    }
    if value.to_string().len() > LARGEST {
        return Err(bad("too_long", "attributes have at most 16 KiB as JSON"));
    }
    Ok(value)
}

/// The name of an outside provider, or an id there: 1 to 255 characters without control characters.
///
/// # Errors
/// `too_short`, `too_long` or `invalid_character`.
pub fn foreign_name(text: &str) -> Result<String, BadValue> {
    match text.trim().chars().count() {
        0 => Err(bad("too_short", "this is not empty; null removes it")),
        256.. => Err(bad("too_long", "this has at most 255 characters")),
        _ if text.chars().any(is_invisible) => Err(bad(
            "invalid_character",
            "control characters are not accepted",
        )),
        _ => Ok(text.trim().to_owned()),
    }
}

/// A moment that the database stores and every reader of RFC 3339 understands: in the years 1970 to 9999, in whole
/// microseconds.
///
/// # Errors
/// `out_of_range`.
pub fn moment(at: DateTime<Utc>) -> Result<DateTime<Utc>, BadValue> {
    if (1970..=9999).contains(&at.year()) {
        Ok(at.trunc_subsecs(6))
    } else {
        Err(bad("out_of_range", "a time is in the years 1970 to 9999"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usernames_are_trimmed_and_lower_cased() {
        assert_eq!(Username::parse("  Ada.L-1_ ").unwrap().as_str(), "ada.l-1_");
        assert_eq!(Username::parse("admin").unwrap().as_str(), "admin");
        assert!(Username::parse(&"a".repeat(50)).is_ok());
    }

    #[test]
    fn usernames_that_are_none_are_refused() {
        for (text, code) in [
            ("ab", "too_short"),
            ("", "too_short"),
            ("me", "too_short"),
            ("NULL", "reserved"),
            ("system", "reserved"),
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
    fn d20_addresses_that_could_reach_somebody_else_are_refused() {
        for bad in [
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
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a@b.com", " Ada+tag@Example.org ", "a@xn--mnchen-3ya.de"] {
            assert!(Email::parse(good).is_ok(), "{good:?}");
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
        fn tags_come_out_sorted_and_once(texts in prop::collection::vec("[a-cA-C]{1,2}", 0..8)) {
            let tags = tags(&texts).unwrap();
            prop_assert!(tags.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
