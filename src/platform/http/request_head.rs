//! Checks of a request head before routing: size limits and an unambiguous path.
//!
//! The HTTP parser rejects some requests before this check, without a response body: a malformed head (400), a head over
//! 128 KiB or with more than 96 fields (431), a URI over 65,534 bytes (400), and a head that arrives too slowly (408).

use actix_web::dev::RequestHead;

use super::percent_decoding;
use crate::platform::error::Code;

const MAX_URI_BYTES: usize = 8 * 1024;
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Checks the size of the URI and the headers, and that the path is canonical.
///
/// # Errors
/// [`Code::UriTooLong`], [`Code::HeadersTooLarge`], or [`Code::NotFound`] for a path that is not canonical.
pub fn check_head(head: &RequestHead) -> Result<(), Code> {
    let uri = head.uri.path_and_query().map_or("", |uri| uri.as_str());
    if uri.len() > MAX_URI_BYTES {
        return Err(Code::UriTooLong);
    }
    // 4 bytes per line: the colon, the space and CRLF.
    let lines = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    if lines.sum::<usize>() > MAX_HEADER_BYTES {
        return Err(Code::HeadersTooLarge);
    }
    if is_canonical(head.uri.path()) {
        Ok(())
    } else {
        Err(Code::NotFound)
    }
}

/// Whether a path has no empty segments and no dot segments, and decodes to UTF-8 without control characters. A proxy
/// could interpret any other path differently than this server.
fn is_canonical(path: &str) -> bool {
    if path.contains("//") {
        return false;
    }
    if !path.contains(['%', '.']) {
        return true;
    }
    let Some(decoded) = percent_decoding::decode(path) else {
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

    fn check(req: TestRequest) -> Result<(), Code> {
        check_head(req.to_srv_request().head())
    }

    #[test]
    fn uri_and_header_sizes_are_limited() {
        let uri = |length: usize| TestRequest::with_uri(&format!("/{}", "a".repeat(length - 1)));
        assert_eq!(check(uri(8192)), Ok(()));
        assert_eq!(check(uri(8193)), Err(Code::UriTooLong));
        let header =
            |length: usize| TestRequest::default().insert_header(("x", "a".repeat(length)));
        assert_eq!(check(header(32 * 1024 - 5)), Ok(()));
        assert_eq!(check(header(32 * 1024 - 4)), Err(Code::HeadersTooLarge));
    }

    #[test]
    fn canonical_paths_are_accepted() {
        for path in [
            "/",
            "/users",
            "/users/",
            "/a.b/c",
            "/tags/a%2Fb",
            "/tags/%C3%A9",
            "/a..b",
            "/roles/a;x=1",
        ] {
            assert_eq!(check(TestRequest::with_uri(path)), Ok(()), "{path}");
        }
    }

    #[test]
    fn ambiguous_paths_are_not_found() {
        for path in [
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
            let result = check(TestRequest::with_uri(path));
            assert_eq!(result, Err(Code::NotFound), "{path}");
        }
    }
}
