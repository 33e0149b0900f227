//! `Json<T>`: the only way in which a handler takes a JSON body. It refuses what is ambiguous (names said twice, text
//! after the end), what can hurt (depth, size, slowness, NUL) and what is unknown, and never repeats a value it was sent.

mod faults;
mod strict;

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use validator::Validate;

use super::body;
use crate::platform::error::{AppError, Code};

const ACCEPTED: &[&str] = &["application/json", "application/merge-patch+json"];

/// A body that was well-formed, had no unknown member and passed its type's `validate()`.
///
/// No body at all (and no `Content-Type`) counts as `{}`.
#[derive(Debug)]
pub struct Json<T> {
    /// What was read.
    pub value: T,
    /// The bytes it was read from, by which a retry is known again.
    pub raw: Bytes,
}

impl<T> Json<T> {
    /// What was read.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Json<T> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = req.headers();
        let format = Format::of(headers);
        let declared = body::declared_length(headers);
        let payload = payload.take();
        Box::pin(async move {
            if format == Format::Other {
                return Err(unsupported());
            }
            let raw = body::read(declared, payload).await?;
            let text: &[u8] = match format {
                Format::Unsaid if raw.is_empty() => b"{}",
                Format::Unsaid | Format::Other => return Err(unsupported()),
                Format::Json => &raw,
            };
            let value = parse(text)?;
            Ok(Self { value, raw })
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Unsaid,
    Other,
}

impl Format {
    fn of(headers: &HeaderMap) -> Self {
        if !body::is_plain(headers) {
            return Self::Other;
        }
        let mut lines = headers.get_all(header::CONTENT_TYPE);
        match (lines.next(), lines.next()) {
            (None, _) => Self::Unsaid,
            (Some(line), None)
                if line
                    .to_str()
                    .is_ok_and(|text| body::is_type(text, ACCEPTED)) =>
            {
                Self::Json
            }
            _ => Self::Other,
        }
    }
}

fn unsupported() -> AppError {
    AppError::new(Code::UnsupportedMediaType)
        .detail("send application/json in UTF-8, without Content-Encoding")
}

/// Reads and validates one document, as strictly as a body.
///
/// # Errors
/// [`Code::RequestInvalid`] with a pointer to each thing that is wrong.
pub fn parse<T: DeserializeOwned + Validate>(text: &[u8]) -> Result<T, AppError> {
    strict::check(text).map_err(|fault| AppError::invalid(vec![fault]))?;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value: T = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| AppError::invalid(vec![faults::from_serde(&error)]))?;
    validated(value)
}

/// A value that came by another way than a body, if it passes its type's `validate()` all the same.
///
/// # Errors
/// [`Code::RequestInvalid`] with a pointer to each thing that is wrong.
pub fn validated<T: Validate>(value: T) -> Result<T, AppError> {
    match value.validate() {
        Ok(()) => Ok(value),
        Err(errors) => Err(AppError::invalid(faults::from_validation(&errors))),
    }
}

/// Appends one member's name to a JSON pointer (RFC 6901, section 3), shortened when it is absurdly long.
fn push_segment(pointer: &mut String, name: &str) {
    const LONGEST: usize = 256;
    pointer.push('/');
    for letter in name.chars() {
        if pointer.len() >= LONGEST {
            pointer.push('…');
            return;
        }
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
