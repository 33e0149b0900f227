//! Reading a request's body whole: no larger, no slower and in no other encoding than is accepted.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::platform::error::{AppError, Code};

/// How large a body may be, and how slow.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The most that is read into memory, in MiB.
    pub mebibytes: usize,
    /// How long it may take to arrive, from its first byte to its last.
    pub patience: Duration,
}

impl Bounds {
    /// Those of every body but an import.
    pub const ORDINARY: Self = Self {
        mebibytes: 1,
        patience: Duration::from_secs(10),
    };

    const fn bytes(self) -> usize {
        self.mebibytes * 1024 * 1024
    }

    fn overstepped(self) -> AppError {
        AppError::new(Code::PayloadTooLarge).detail(format!("at most {} MiB", self.mebibytes))
    }
}

/// Reads an ordinary body.
///
/// # Errors
/// As [`read_within`].
pub async fn read(declared: Option<u64>, payload: Payload) -> Result<Bytes, AppError> {
    read_within(Bounds::ORDINARY, declared, payload).await
}

/// Reads a body.
///
/// # Errors
/// [`Code::PayloadTooLarge`] and [`Code::RequestTimeout`] beyond the bounds, and [`Code::RequestInvalid`] when it breaks
/// off or its framing is broken.
pub async fn read_within(
    bounds: Bounds,
    declared: Option<u64>,
    payload: Payload,
) -> Result<Bytes, AppError> {
    if declared.is_some_and(|length| length > bounds.bytes() as u64) {
        return Err(bounds.overstepped());
    }
    match tokio::time::timeout(bounds.patience, collect(bounds, payload)).await {
        Ok(body) => body,
        Err(_) => Err(Code::RequestTimeout.into()),
    }
}

/// Most bodies come in one piece, which is then not copied.
async fn collect(bounds: Bounds, mut payload: Payload) -> Result<Bytes, AppError> {
    let Some(first) = payload.next().await else {
        return Ok(Bytes::new());
    };
    let first = first.map_err(|error| broken(bounds, &error))?;
    let Some(second) = payload.next().await else {
        return within(bounds, first.len()).map(|()| first);
    };
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        let piece = piece.map_err(|error| broken(bounds, &error))?;
        within(bounds, body.len().saturating_add(piece.len()))?;
        body.extend_from_slice(&piece);
        next = payload.next().await;
    }
    Ok(body.freeze())
}

fn within(bounds: Bounds, length: usize) -> Result<(), AppError> {
    if length > bounds.bytes() {
        Err(bounds.overstepped())
    } else {
        Ok(())
    }
}

fn broken(bounds: Bounds, error: &PayloadError) -> AppError {
    match error {
        PayloadError::Overflow => bounds.overstepped(),
        _ => AppError::fault(
            "",
            "incomplete_body",
            "the body broke off or is framed wrongly",
        ),
    }
}

/// The length that the caller declares, if it does.
#[must_use]
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Whether the body is sent as it is: what is packed would have to be unpacked before its size is known.
#[must_use]
pub fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).all(|coding| {
        coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

/// Whether the body is sent as it is and said, once, to be of one of these types.
#[must_use]
pub fn is_sent_as(headers: &HeaderMap, accepted: &[&str]) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let is_accepted = match (types.next().map(header::HeaderValue::to_str), types.next()) {
        (Some(Ok(one)), None) => is_type(one, accepted),
        _ => false,
    };
    is_accepted && is_plain(headers)
}

/// Whether `content_type` is one of `accepted`, in UTF-8 if it says at all.
#[must_use]
pub fn is_type(content_type: &str, accepted: &[&str]) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    accepted
        .iter()
        .any(|name| name.eq_ignore_ascii_case(essence))
        && parts.all(is_utf8_charset)
}

fn is_utf8_charset(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case("charset")
            && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[actix_web::test]
    async fn a_body_that_never_ends_is_given_up() {
        let begun = stream::iter([Ok(Bytes::from_static(b"{"))]);
        let payload = Payload::from(begun.chain(stream::pending()).boxed_local());
        let bounds = Bounds {
            patience: Duration::from_millis(20),
            ..Bounds::ORDINARY
        };
        let given_up = read_within(bounds, None, payload).await;
        assert_eq!(given_up.unwrap_err().code(), Code::RequestTimeout);
    }

    #[test]
    fn the_media_type_counts_and_at_most_its_charset() {
        let json = |text| is_type(text, &["application/json", "application/merge-patch+json"]);
        assert!(json("application/json") && json("Application/JSON; charset=UTF-8"));
        assert!(json("application/merge-patch+json;charset=\"utf-8\""));
        for wrong in [
            "",
            "text/plain",
            "application/jsonx",
            "application/json; charset=latin1",
            "application/json; version=2",
            "application/json;",
        ] {
            assert!(!json(wrong), "{wrong}");
        }
    }
}
