//! The audiences of applications, `ROSTERD_APP_AUDIENCES`.

use url::Url;

use super::values::{ParseResult, items};

/// Parses the audiences of applications. RFC 8707 requires an absolute URI without a fragment; they are compared as text.
pub(super) fn app_audiences(text: &str) -> ParseResult<Vec<String>> {
    const MAX_LENGTH: usize = 255;
    let mut audiences: Vec<String> = Vec::new();
    for item in items(text) {
        let is_plain = item.bytes().all(|byte| byte.is_ascii_graphic()) && !item.contains('#');
        if !is_plain || item.len() > MAX_LENGTH || Url::parse(item).is_err() {
            let expected = "absolute URIs of at most 255 characters without a fragment, such as https://photos.example.org";
            return Err(expected.into());
        }
        if !audiences.iter().any(|other| other == item) {
            audiences.push(item.to_owned());
        }
    }
    Ok(audiences)
}
