//! Reading a request's body whole: no larger, no slower and in no other encoding than is accepted.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::{AppError, Code};

/// The largest body that is read into memory.
pub const LIMIT: usize = 1024 * 1024;

/// How long a body may take to arrive, from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the body.
///
/// # Errors
/// [`Code::PayloadTooLarge`] over [`LIMIT`], [`Code::RequestTimeout`] when it is slow, and
/// [`Code::RequestInvalid`] when it breaks off or its framing is broken.
pub async fn read(declared: Option<u64>, payload: Payload) -> Result<Bytes, AppError> {
    if declared.is_some_and(|length| length > LIMIT as u64) {
        return Err(too_large());
    }
    collect_within(PATIENCE, payload).await
}

async fn collect_within(patience: Duration, payload: Payload) -> Result<Bytes, AppError> {
    match tokio::time::timeout(patience, collect(payload)).await {
        Ok(body) => body,
        Err(_) => Err(Code::RequestTimeout.into()),
    }
}

/// Most bodies come in one piece, which is then not copied.
async fn collect(mut payload: Payload) -> Result<Bytes, AppError> {
    let Some(first) = payload.next().await else {
        return Ok(Bytes::new());
    };
    let first = first.map_err(|error| broken(&error))?;
    let Some(second) = payload.next().await else {
        return within_limit(first.len()).map(|()| first);
    };
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        let piece = piece.map_err(|error| broken(&error))?;
        within_limit(body.len().saturating_add(piece.len()))?;
        body.extend_from_slice(&piece);
        next = payload.next().await;
    }
    Ok(body.freeze())
}

fn within_limit(length: usize) -> Result<(), AppError> {
    if length > LIMIT {
        Err(too_large())
    } else {
        Ok(())
    }
}

fn too_large() -> AppError {
    AppError::new(Code::PayloadTooLarge).detail("at most 1 MiB")
}

fn broken(error: &PayloadError) -> AppError {
    match error {
        PayloadError::Overflow => too_large(),
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
        let given_up = collect_within(Duration::from_millis(20), payload).await;
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
