//! The client credentials of a request: `Authorization: Basic` or form parameters, but not both (RFC 6749, section 2.3.1).
//! This file does not verify the secret.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::{OAuthError, OAuthErrorCode};
use super::form::take_optional;
use crate::access::authentication::FIRST_PARTY_CLIENT_ID;
use crate::platform::http::{QueryReader, percent_decoding};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The client parameters of the form.
pub struct FormCredentials {
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl FormCredentials {
    /// Takes the client parameters from the form.
    pub fn take(params: &mut QueryReader<'_>) -> Self {
        Self {
            client_id: take_optional(params, "client_id"),
            client_secret: take_optional(params, "client_secret"),
        }
    }
}

/// The client that the request claims to come from.
pub enum ClientCredentials {
    /// A service client, which sends its id and secret. They are not verified yet.
    Secret {
        /// `client_id`
        id: String,
        /// `client_secret`
        secret: String,
    },
    /// The public client for user sign-in, which has no secret.
    FirstParty,
}

impl ClientCredentials {
    /// Reads the credentials from the headers and the form.
    ///
    /// # Errors
    /// `invalid_request` if the request uses more than one method, `invalid_client` if it has no valid credentials.
    pub fn from_request(headers: &HeaderMap, form: FormCredentials) -> Result<Self, OAuthError> {
        let mut authorization = headers.get_all(AUTHORIZATION);
        match (
            authorization.next(),
            authorization.next(),
            form.client_id,
            form.client_secret,
        ) {
            (Some(_), Some(_), ..) | (Some(_), None, _, Some(_)) => Err(multiple_methods()),
            (Some(header), None, form_id, None) => {
                let basic = header.to_str().ok().and_then(parse_basic);
                let (id, secret) = basic.ok_or_else(missing_credentials)?;
                if form_id.is_some_and(|form_id| form_id != id) {
                    return Err(multiple_methods());
                }
                Ok(Self::Secret { id, secret })
            }
            (None, _, Some(id), Some(secret)) => Ok(Self::Secret { id, secret }),
            (None, _, Some(id), None) if id == FIRST_PARTY_CLIENT_ID => Ok(Self::FirstParty),
            (None, ..) => Err(missing_credentials()),
        }
    }
}

/// Parses the id and the secret of a Basic header. Each is form-encoded before both are joined (RFC 6749, section 2.3.1).
fn parse_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    percent_decoding::decode(&text.replace('+', " ")).map(std::borrow::Cow::into_owned)
}

fn multiple_methods() -> OAuthError {
    let detail =
        "authenticate with one method only: Authorization: Basic, or client_id and client_secret";
    OAuthError::new(OAuthErrorCode::InvalidRequest, detail)
}

fn missing_credentials() -> OAuthError {
    let detail =
        "client authentication is required: Authorization: Basic, or client_id and client_secret";
    OAuthError::new(OAuthErrorCode::InvalidClient, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic_header(credentials: &str) -> String {
        format!("Basic {}", BASE64.encode(credentials))
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let parse = |credentials: &str| parse_basic(&basic_header(credentials));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(parse("a:b"), pair("a", "b"));
        assert_eq!(parse("a%3Ab:c+d:e"), pair("a:b", "c d:e"));
        assert_eq!(parse("a:"), pair("a", ""));
        assert_eq!(parse("a"), None);
        assert_eq!(parse("a:%zz"), None);
        let unpadded = basic_header("ab:c").trim_end_matches('=').to_owned();
        assert_eq!(parse_basic(&unpadded), pair("ab", "c"));
        for invalid in [
            "Basic",
            "Bearer YTpi",
            "Basic *",
            "Basic ",
            "",
            "Basic /w==",
        ] {
            assert_eq!(parse_basic(invalid), None, "{invalid}");
        }
    }
}
