//! Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13.1). A tag is `"<version>-<hash>"`: `If-Match`
//! compares only the version, `If-None-Match` compares the whole tag.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::digest::{SHA256, digest};

use crate::platform::error::{AppError, Code};

/// The strong entity tag for `version` and `representation`, including the quotes.
#[must_use]
pub fn etag(version: i64, representation: &[u8]) -> String {
    let hash = digest(&SHA256, representation);
    let prefix = hash.as_ref().get(..8).unwrap_or_default();
    format!("\"{version}-{}\"", hex::encode(prefix))
}

/// The version in the opaque part of a tag created by [`etag`].
fn parse_version(opaque: &str) -> Option<i64> {
    let (version, hash) = opaque.split_once('-')?;
    let is_hash_valid = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    (is_hash_valid && is_number)
        .then(|| version.parse().ok())
        .flatten()
}

/// One entity tag in `If-Match` or `If-None-Match`.
struct EntityTag<'a> {
    is_weak: bool,
    opaque: &'a str,
}

impl<'a> EntityTag<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (is_weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
        (!opaque.contains('"')).then_some(Self { is_weak, opaque })
    }
}

/// The members of a list header, split at every comma. Tags created by [`etag`] contain no comma; a foreign tag that contains
/// one is split and matches nothing, which is the correct result.
fn list_members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// The `If-Match` precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// The header is absent.
    Absent,
    /// `*`: the resource must exist.
    Any,
    /// The resource must have one of these versions. Weak and malformed tags never match (RFC 9110, section 13.1.1).
    Versions(Vec<i64>),
}

impl IfMatch {
    fn from_headers(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::IF_MATCH) {
            return Self::Absent;
        }
        if list_members(headers, header::IF_MATCH).eq(["*"]) {
            return Self::Any;
        }
        let strong_version =
            |tag: EntityTag<'_>| (!tag.is_weak).then_some(tag.opaque).and_then(parse_version);
        let versions = list_members(headers, header::IF_MATCH)
            .filter_map(EntityTag::parse)
            .filter_map(strong_version);
        Self::Versions(versions.collect())
    }

    /// Whether the precondition holds for an existing resource at `version`.
    #[must_use]
    pub fn allows(&self, version: i64) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// Checks the precondition for an existing resource at `version`.
    ///
    /// # Errors
    /// [`Code::PreconditionFailed`] if it does not hold.
    pub fn check(&self, version: i64) -> Result<(), AppError> {
        if self.allows(version) {
            Ok(())
        } else {
            Err(Code::PreconditionFailed.into())
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::from_headers(req.headers())))
    }
}

/// Whether `If-None-Match` contains `current`, a tag with its quotes, by weak comparison (RFC 9110, section 13.1.2).
#[must_use]
pub fn matches_if_none_match(headers: &HeaderMap, current: &str) -> bool {
    let matches = |text: &str| text == "*" || text.strip_prefix("W/").unwrap_or(text) == current;
    list_members(headers, header::IF_NONE_MATCH).any(matches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn if_match(lines: &[&str]) -> IfMatch {
        IfMatch::from_headers(&headers(&header::IF_MATCH, lines))
    }

    #[test]
    fn etag_depends_on_version_and_representation() {
        let tag = etag(7, b"{}");
        assert!(
            tag.starts_with("\"7-") && tag.ends_with('"') && tag.len() == 20,
            "{tag}"
        );
        assert_ne!(tag, etag(7, b"{ }"));
        assert_ne!(tag, etag(8, b"{}"));
    }

    #[test]
    fn if_match_compares_only_the_version() {
        let condition = if_match(&[&etag(7, b"an older representation")]);
        assert!(condition.allows(7));
        assert!(!condition.allows(8));
    }

    #[test]
    fn absent_and_star_allow_every_version() {
        assert!(if_match(&[]).allows(3));
        assert_eq!(if_match(&["*"]), IfMatch::Any);
    }

    #[test]
    fn any_member_on_any_line_may_match() {
        let (first, second) = (etag(1, b""), etag(2, b""));
        let condition = if_match(&[&format!("{first} , \"other\""), &second]);
        assert!(condition.allows(1) && condition.allows(2) && !condition.allows(3));
    }

    #[test]
    fn weak_and_malformed_tags_never_match() {
        let strong = etag(7, b"");
        let bare = strong.trim_matches('"');
        for line in [
            format!("W/{strong}"),
            bare.to_owned(),
            "\"7\"".to_owned(),
            "\"7-\"".to_owned(),
            "\"+7-0011223344556677\"".to_owned(),
            "\"-7-0011223344556677\"".to_owned(),
            "\"99999999999999999999-0011223344556677\"".to_owned(),
            String::new(),
            "\"".to_owned(),
            "*, *".to_owned(),
        ] {
            let condition = if_match(&[&line]);
            assert_eq!(condition, IfMatch::Versions(vec![]), "{line}");
            assert!(!condition.allows(7), "{line}");
        }
    }

    #[test]
    fn if_none_match_compares_the_whole_tag_weakly() {
        let current = etag(7, b"now");
        let matches =
            |line: &str| matches_if_none_match(&headers(&header::IF_NONE_MATCH, &[line]), &current);
        assert!(matches(&current) && matches("*") && matches(&format!("W/{current}")));
        assert!(matches(&format!("\"x\", {current}")));
        assert!(!matches(&etag(7, b"then")) && !matches("\"x\"") && !matches(""));
        assert!(!matches_if_none_match(&HeaderMap::new(), &current));
    }

    proptest! {
        #[test]
        fn every_tag_matches_its_own_version(version in 0..i64::MAX, body: Vec<u8>) {
            prop_assert!(if_match(&[&etag(version, &body)]).allows(version));
        }

        #[test]
        fn arbitrary_headers_do_not_panic(line in "[ -~]{0,40}") {
            let _ = if_match(&[&line]).allows(1);
        }
    }
}
