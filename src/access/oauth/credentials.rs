//! How a client says who it is: with `Authorization: Basic` or in the form (RFC 6749, section 2.3.1), in one way only.
//! Whether the secret is right is not decided here.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::form::take;
use super::refusal::{ErrorCode, Refusal};
use crate::access::authentication::FIRST_PARTY;
use crate::platform::http::{Params, percent};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the form says of the client.
pub struct Said {
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl Said {
    /// Takes it from the form.
    pub fn take(params: &mut Params<'_>) -> Self {
        Self {
            client_id: take(params, "client_id"),
            client_secret: take(params, "client_secret"),
        }
    }
}

/// Who says that it calls.
pub enum Credentials {
    /// A client with this secret.
    Secret {
        /// `client_id`
        id: String,
        /// `client_secret`
        secret: String,
    },
    /// The public client that people sign in through.
    FirstParty,
}

impl Credentials {
    /// What the headers and the form say together.
    ///
    /// # Errors
    /// `invalid_request` for more ways than one, `invalid_client` for none or one that can't be read.
    pub fn of(headers: &HeaderMap, said: Said) -> Result<Self, Refusal> {
        let mut lines = headers.get_all(AUTHORIZATION);
        match (
            lines.next(),
            lines.next(),
            said.client_id,
            said.client_secret,
        ) {
            (Some(_), Some(_), ..) | (Some(_), None, _, Some(_)) => Err(twice()),
            (Some(line), None, named, None) => {
                let basic = line.to_str().ok().and_then(basic);
                let (id, secret) = basic.ok_or_else(unauthenticated)?;
                if named.is_some_and(|named| named != id) {
                    return Err(twice());
                }
                Ok(Self::Secret { id, secret })
            }
            (None, _, Some(id), Some(secret)) => Ok(Self::Secret { id, secret }),
            (None, _, Some(id), None) if id == FIRST_PARTY => Ok(Self::FirstParty),
            (None, ..) => Err(unauthenticated()),
        }
    }
}

/// The id and the secret in a header of the Basic scheme, each of them encoded as in a form before both were joined.
fn basic(line: &str) -> Option<(String, String)> {
    let (scheme, encoded) = line.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

fn decoded(text: &str) -> Option<String> {
    percent::decode(&text.replace('+', " ")).map(std::borrow::Cow::into_owned)
}

fn twice() -> Refusal {
    let detail = "say who you are in one way: Authorization: Basic, or client_id and client_secret";
    Refusal::new(ErrorCode::InvalidRequest, detail)
}

fn unauthenticated() -> Refusal {
    let detail = "Authorization: Basic, or client_id and client_secret, are needed";
    Refusal::new(ErrorCode::InvalidClient, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(joined: &str) -> String {
        format!("Basic {}", BASE64.encode(joined))
    }

    #[test]
    fn id_and_secret_are_read_as_a_form_would_write_them() {
        let read = |joined: &str| basic(&line(joined));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("a:b"), pair("a", "b"));
        assert_eq!(read("a%3Ab:c+d:e"), pair("a:b", "c d:e"));
        assert_eq!(read("a:"), pair("a", ""));
        assert_eq!(read("a"), None);
        assert_eq!(read("a:%zz"), None);
        let unpadded = line("ab:c").trim_end_matches('=').to_owned();
        assert_eq!(basic(&unpadded), pair("ab", "c"));
        for wrong in ["Basic", "Bearer YTpi", "Basic *", "Basic", "", "Basic /w=="] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }
}
