//! Parses the members of request bodies and collects their errors.

use super::values::{self, InvalidValue};
use crate::platform::error::{FieldError, FieldErrors};
use crate::platform::http::PatchField;

impl From<InvalidValue> for (&'static str, std::borrow::Cow<'static, str>) {
    fn from(error: InvalidValue) -> Self {
        (error.code, error.detail.into())
    }
}

pub fn optional<U>(
    errors: &mut FieldErrors,
    pointer: &'static str,
    value: Option<&str>,
    parse: impl FnOnce(&str) -> Result<U, InvalidValue>,
) -> Option<U> {
    value.and_then(|value| errors.check(pointer, parse(value)))
}

pub fn required<T, U>(
    errors: &mut FieldErrors,
    pointer: &'static str,
    patch: &PatchField<T>,
    parse: impl FnOnce(&T) -> Result<U, InvalidValue>,
) -> Option<U> {
    match patch {
        PatchField::Keep => None,
        PatchField::Clear => {
            errors.push(FieldError::new(pointer, "required", "must not be null"));
            None
        }
        PatchField::Set(value) => errors.check(pointer, parse(value)),
    }
}

#[expect(
    clippy::option_option,
    reason = "distinguishes an unchanged column from NULL"
)]
pub fn clearable<T, U>(
    errors: &mut FieldErrors,
    pointer: &'static str,
    patch: &PatchField<T>,
    parse: impl FnOnce(&T) -> Result<U, InvalidValue>,
) -> Option<Option<U>> {
    match patch {
        PatchField::Keep => None,
        PatchField::Clear => Some(None),
        PatchField::Set(value) => errors.check(pointer, parse(value)).map(Some),
    }
}

pub fn parse_tags(errors: &mut FieldErrors, tags: &[String]) -> Option<Vec<String>> {
    values::parse_tags(tags)
        .map_err(|(index, error)| {
            let pointer =
                index.map_or_else(|| "/tags".to_owned(), |index| format!("/tags/{index}"));
            errors.push(FieldError::new(pointer, error.code, error.detail));
        })
        .ok()
}
