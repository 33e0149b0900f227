//! `Json<T>`: the extractor for JSON bodies. It rejects duplicate member names, trailing data, excessive depth and size,
//! slow bodies, NUL characters and unknown members. Its errors never contain a submitted value.

mod field_errors;
mod pointer;
mod shape;
mod strict;

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use super::body;
use crate::platform::error::{AppError, Code, FieldError};

pub use shape::{NullMembers, unknown_detail};

const ACCEPTED_TYPES: &[&str] = &["application/json", "application/merge-patch+json"];

/// A JSON body that was parsed and passed its type's `validate()`.
///
/// A request without a body and without a `Content-Type` is treated as `{}`, unless it is a PATCH.
#[derive(Debug)]
pub struct Json<T> {
    /// The parsed value.
    pub value: T,
    /// The body as received, for comparing idempotent retries.
    pub raw: Bytes,
}

impl<T> Json<T> {
    /// The parsed value.
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

impl<T: DeserializeOwned + Validate + ToSchema + 'static> FromRequest for Json<T> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = req.headers();
        let format = BodyFormat::from_headers(headers);
        let is_patch = *req.method() == Method::PATCH;
        let content_length = body::content_length(headers);
        let payload = payload.take();
        Box::pin(async move {
            if format == BodyFormat::Unsupported {
                return Err(unsupported_media_type());
            }
            let raw = body::read(content_length, payload).await?;
            let text: &[u8] = match format {
                BodyFormat::Unspecified if raw.is_empty() && is_patch => {
                    return Err(AppError::invalid_field(
                        "",
                        "required",
                        "a body is required",
                    ));
                }
                BodyFormat::Unspecified if raw.is_empty() => b"{}",
                BodyFormat::Unspecified | BodyFormat::Unsupported => {
                    return Err(unsupported_media_type());
                }
                BodyFormat::Json => &raw,
            };
            let null_members = if is_patch {
                NullMembers::AreKept
            } else {
                NullMembers::AreAbsent
            };
            let value = parse_json(text, null_members)?;
            Ok(Self { value, raw })
        })
    }
}

/// The format of a body, according to the headers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyFormat {
    Json,
    /// There is no `Content-Type`.
    Unspecified,
    Unsupported,
}

impl BodyFormat {
    fn from_headers(headers: &HeaderMap) -> Self {
        if body::has_media_type(headers, ACCEPTED_TYPES) {
            Self::Json
        } else if body::is_unencoded(headers) && !headers.contains_key(header::CONTENT_TYPE) {
            Self::Unspecified
        } else {
            Self::Unsupported
        }
    }
}

fn unsupported_media_type() -> AppError {
    AppError::new(Code::UnsupportedMediaType)
        .with_detail("The body must be application/json in UTF-8 without Content-Encoding.")
}

/// Parses and validates a JSON document.
///
/// # Errors
/// [`Code::RequestInvalid`] with a field error for each problem.
pub fn parse_json<T: DeserializeOwned + Validate + ToSchema>(
    text: &[u8],
    null_members: NullMembers,
) -> Result<T, AppError> {
    strict::check(text).map_err(|error| AppError::invalid_fields(vec![error]))?;
    match serde_json::from_slice(text) {
        Ok(value) => validate(value),
        Err(_) => validate(parse_rejected(text, null_members)?),
    }
}

/// Finds out why serde rejected a document, or parses what is only written in another way.
fn parse_rejected<T: DeserializeOwned + ToSchema>(
    text: &[u8],
    null_members: NullMembers,
) -> Result<T, AppError> {
    let invalid = |error| AppError::invalid_fields(vec![error]);
    let mut document: Value = serde_json::from_slice(text)
        .map_err(|_| invalid(FieldError::new("", "malformed_json", "is not valid JSON")))?;
    let errors = shape::check::<T>(&mut document, null_members);
    if !errors.is_empty() {
        return Err(AppError::invalid_fields(errors));
    }
    serde_path_to_error::deserialize(document)
        .map_err(|error| invalid(field_errors::from_serde(&error)))
}

/// Validates a value that was not parsed from a body, such as one built from command line arguments.
///
/// # Errors
/// [`Code::RequestInvalid`] with a field error for each problem.
pub fn validate<T: Validate>(value: T) -> Result<T, AppError> {
    match value.validate() {
        Ok(()) => Ok(value),
        Err(errors) => Err(AppError::invalid_fields(field_errors::from_validation(
            &errors,
        ))),
    }
}

#[cfg(test)]
mod tests;
