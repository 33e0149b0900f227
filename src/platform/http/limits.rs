//! What is refused by its size or its spelling before anybody looks at what it asks.
//!
//! The HTTP parser has cut the worst by then, without a body: a head that is malformed (400), over 128 KiB or of more
//! than 96 fields (431), an address over 65,534 bytes (400), a head that takes longer than the server waits (408).

use actix_web::dev::RequestHead;

use super::percent;
use crate::platform::error::Code;

const LONGEST_ADDRESS: usize = 8 * 1024;
const LARGEST_HEADERS: usize = 32 * 1024;

/// Why this request is not even looked at, if so.
#[must_use]
pub fn refusal(head: &RequestHead) -> Option<Code> {
    let address = head
        .uri
        .path_and_query()
        .map_or("", |address| address.as_str());
    if address.len() > LONGEST_ADDRESS {
        return Some(Code::UriTooLong);
    }
    // As they are written: `name: value` and the end of the line.
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    if headers.sum::<usize>() > LARGEST_HEADERS {
        return Some(Code::HeadersTooLarge);
    }
    (!is_canonical(head.uri.path())).then_some(Code::NotFound)
}

/// Whether a path has one spelling only: no empty and no dot segments, and no control characters or bytes that are no
/// UTF-8 behind its escapes. A proxy may read any other path differently than we do.
fn is_canonical(path: &str) -> bool {
    if path.contains("//") {
        return false;
    }
    if !path.contains(['%', '.']) {
        return true;
    }
    let Some(decoded) = percent::decode(path) else {
        return false;
    };
    !decoded
        .split('/')
        .any(|segment| matches!(segment, "." | ".."))
        && !decoded.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn refused(req: TestRequest) -> Option<Code> {
        refusal(req.to_srv_request().head())
    }

    #[test]
    fn addresses_and_headers_have_a_size() {
        let address =
            |length: usize| TestRequest::with_uri(&format!("/{}", "a".repeat(length - 1)));
        assert_eq!(refused(address(8192)), None);
        assert_eq!(refused(address(8193)), Some(Code::UriTooLong));
        let header =
            |length: usize| TestRequest::default().insert_header(("x", "a".repeat(length)));
        assert_eq!(refused(header(32 * 1024 - 5)), None);
        assert_eq!(refused(header(32 * 1024 - 4)), Some(Code::HeadersTooLarge));
    }

    #[test]
    fn a_path_has_one_spelling() {
        for good in [
            "/",
            "/users",
            "/users/",
            "/a.b/c",
            "/tags/a%2Fb",
            "/tags/%C3%A9",
            "/a..b",
            "/roles/a;x=1",
        ] {
            assert_eq!(refused(TestRequest::with_uri(good)), None, "{good}");
        }
        for bad in [
            "//users",
            "/users//1",
            "/users/.",
            "/users/..",
            "/users/../x",
            "/users/%2e%2e/x",
            "/%2E",
            "/a%2f..",
            "/a%00",
            "/a%0d%0a",
            "/a%7f",
            "/a%c2%85",
            "/a%ff",
            "/a%c0%af",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%+1",
        ] {
            assert_eq!(
                refused(TestRequest::with_uri(bad)),
                Some(Code::NotFound),
                "{bad}"
            );
        }
    }
}
