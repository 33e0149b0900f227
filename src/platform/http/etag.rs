//! Entity tags and the conditions made with them (RFC 9110, sections 8.8.3 and 13.1).
//! A tag is `"<version>-<hash>"`: what guards a write looks at the version alone, what saves a download at the whole.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::digest::{SHA256, digest};

use crate::platform::error::{AppError, Code};

/// The strong entity tag of a resource at `version` that looks like `representation`, quotes included.
#[must_use]
pub fn etag(version: i64, representation: &[u8]) -> String {
    let hash = digest(&SHA256, representation);
    let short = hash.as_ref().get(..8).unwrap_or_default();
    format!("\"{version}-{}\"", hex::encode(short))
}

/// The version in a strong tag of ours, given without its quotes.
fn version_of(opaque: &str) -> Option<i64> {
    let (version, hash) = opaque.split_once('-')?;
    let hash_fits = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = version.bytes().all(|byte| byte.is_ascii_digit());
    (hash_fits && digits)
        .then(|| version.parse().ok())
        .flatten()
}

/// One tag of a list: its opaque part, and whether it is weak.
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

impl<'a> Tag<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
        (!opaque.contains('"')).then_some(Self { weak, opaque })
    }
}

/// The members of a list header; ours contain no comma, so another's that does matches nothing, as it would anyway.
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// What `If-Match` asks of a resource before it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing: the header is absent.
    Absent,
    /// That there is one.
    Any,
    /// That its version is one of these. Weak and malformed tags are none (RFC 9110, section 13.1.1).
    Versions(Vec<i64>),
}

impl IfMatch {
    fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::IF_MATCH) {
            return Self::Absent;
        }
        if members(headers, header::IF_MATCH).eq(["*"]) {
            return Self::Any;
        }
        let strong = |tag: Tag<'_>| (!tag.weak).then_some(tag.opaque).and_then(version_of);
        let versions = members(headers, header::IF_MATCH)
            .filter_map(Tag::parse)
            .filter_map(strong);
        Self::Versions(versions.collect())
    }

    /// Whether a resource that exists at `version` may be changed.
    #[must_use]
    pub fn allows(&self, version: i64) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// [`allows`](Self::allows), as a result.
    ///
    /// # Errors
    /// [`Code::PreconditionFailed`] when it does not.
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
        ready(Ok(Self::of(req.headers())))
    }
}

/// Whether the caller's `If-None-Match` names `current`, a whole tag with its quotes: its copy is good still.
#[must_use]
pub fn is_current(headers: &HeaderMap, current: &str) -> bool {
    let named = |text: &str| text == "*" || text.strip_prefix("W/").unwrap_or(text) == current;
    members(headers, header::IF_NONE_MATCH).any(named)
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
        IfMatch::of(&headers(&header::IF_MATCH, lines))
    }

    #[test]
    fn a_tag_names_the_version_and_the_representation() {
        let tag = etag(7, b"{}");
        assert!(
            tag.starts_with("\"7-") && tag.ends_with('"') && tag.len() == 20,
            "{tag}"
        );
        assert_ne!(tag, etag(7, b"{ }"));
        assert_ne!(tag, etag(8, b"{}"));
    }

    #[test]
    fn a_write_is_guarded_by_the_version_alone() {
        let condition = if_match(&[&etag(7, b"as it was before somebody's login")]);
        assert!(condition.allows(7));
        assert!(!condition.allows(8));
    }

    #[test]
    fn absent_and_star_allow_every_version() {
        assert!(if_match(&[]).allows(3));
        assert_eq!(if_match(&["*"]), IfMatch::Any);
    }

    #[test]
    fn lists_match_by_any_member_on_any_line() {
        let (one, two) = (etag(1, b""), etag(2, b""));
        let condition = if_match(&[&format!("{one} , \"other\""), &two]);
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
    fn a_copy_is_good_by_weak_comparison_of_the_whole_tag() {
        let current = etag(7, b"now");
        let good = |line: &str| is_current(&headers(&header::IF_NONE_MATCH, &[line]), &current);
        assert!(good(&current) && good("*") && good(&format!("W/{current}")));
        assert!(good(&format!("\"x\", {current}")));
        assert!(!good(&etag(7, b"then")) && !good("\"x\"") && !good(""));
        assert!(!is_current(&HeaderMap::new(), &current));
    }

    proptest! {
        #[test]
        fn every_tag_matches_its_own_version(version in 0..i64::MAX, body: Vec<u8>) {
            prop_assert!(if_match(&[&etag(version, &body)]).allows(version));
        }

        #[test]
        fn no_header_makes_it_panic(line in "[ -~]{0,40}") {
            let _ = if_match(&[&line]).allows(1);
        }
    }
}
