//! Converts errors of serde and validator to field errors. Their messages contain the submitted value, which may be a
//! secret, and names of Rust types, so they are not used.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use super::pointer::push_segment;
use crate::platform::error::FieldError;

/// Converts a deserialization error.
pub fn from_serde(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let mut pointer = pointer_to(error.path());
    let message = error.inner().to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(message, _)| message);
    if let Some(name) = message.strip_prefix("missing field `") {
        push_segment(&mut pointer, name.trim_end_matches('`'));
        return FieldError::new(pointer, "required", "is required");
    }
    if message.starts_with("unknown field ") {
        return FieldError::new(pointer, "unknown_field", "is not a supported member");
    }
    if let Some(detail) = message.strip_prefix("out of range: ") {
        return FieldError::new(pointer, "out_of_range", detail.to_owned());
    }
    if message.starts_with("invalid type: ") {
        FieldError::new(pointer, "invalid_type", "has the wrong type")
    } else {
        FieldError::new(pointer, "invalid_value", "is not valid")
    }
}

fn pointer_to(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_index(&mut pointer, *index),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                push_segment(&mut pointer, name);
            }
            Segment::Unknown => break,
        }
    }
    pointer
}

/// Converts validation errors, sorted by pointer and code.
pub fn from_validation(errors: &ValidationErrors) -> Vec<FieldError> {
    let mut field_errors = Vec::new();
    collect("", errors, &mut field_errors);
    field_errors.sort_by(|a, b| (&a.pointer, a.code).cmp(&(&b.pointer, b.code)));
    field_errors
}

fn collect(parent: &str, errors: &ValidationErrors, field_errors: &mut Vec<FieldError>) {
    for (field, kind) in errors.errors() {
        let mut pointer = parent.to_owned();
        // validator uses this name for errors of the struct itself.
        if field != "__all__" {
            push_segment(&mut pointer, &camel_case(field));
        }
        match kind {
            ValidationErrorsKind::Struct(inner) => collect(&pointer, inner, field_errors),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    let mut pointer = pointer.clone();
                    push_index(&mut pointer, *index);
                    collect(&pointer, inner, field_errors);
                }
            }
            ValidationErrorsKind::Field(errors) => {
                let convert = |error| field_error(pointer.clone(), error);
                field_errors.extend(errors.iter().map(convert));
            }
        }
    }
}

fn push_index(pointer: &mut String, index: usize) {
    // Writing to a String can't fail.
    let _ = write!(pointer, "/{index}");
}

fn field_error(pointer: String, error: &ValidationError) -> FieldError {
    let code = match &*error.code {
        "length" => length_code(error),
        "range" => "out_of_range",
        "email" => "invalid_email",
        "url" => "invalid_url",
        "regex" => "invalid_format",
        _ => match error.code {
            Cow::Borrowed(code) => code,
            Cow::Owned(_) => "invalid_value",
        },
    };
    let detail = error
        .message
        .clone()
        .unwrap_or_else(|| default_detail(code, error));
    FieldError::new(pointer, code, detail)
}

/// Whether a length is below the minimum or above the maximum. The parameters contain the value, which is only measured.
fn length_code(error: &ValidationError) -> &'static str {
    let bound = |name| error.params.get(name).and_then(Value::as_u64);
    let length = error.params.get("value").and_then(length_of);
    match (bound("min"), bound("max"), length) {
        (Some(min), _, Some(length)) if length < min => "too_short",
        (_, Some(max), Some(length)) if length > max => "too_long",
        (Some(_), None, None) => "too_short",
        (None, Some(_), None) => "too_long",
        _ => "invalid_length",
    }
}

fn length_of(value: &Value) -> Option<u64> {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => return None,
    };
    u64::try_from(length).ok()
}

fn default_detail(code: &str, error: &ValidationError) -> Cow<'static, str> {
    let bound = |name| error.params.get(name).filter(|bound| bound.is_number());
    match (code, bound("min"), bound("max")) {
        ("too_short" | "too_long", Some(min), Some(max)) => {
            format!("must have {min} to {max}{}", length_unit(error)).into()
        }
        ("too_short", Some(min), None) => {
            format!("must have at least {min}{}", length_unit(error)).into()
        }
        ("too_long", None, Some(max)) => {
            format!("must have at most {max}{}", length_unit(error)).into()
        }
        ("out_of_range", Some(min), Some(max)) => format!("must be from {min} to {max}").into(),
        ("out_of_range", Some(min), None) => format!("must be at least {min}").into(),
        ("out_of_range", None, Some(max)) => format!("must be at most {max}").into(),
        ("invalid_email", ..) => "must be an email address".into(),
        ("invalid_url", ..) => "must be a URL".into(),
        ("required", ..) => "is required".into(),
        _ => "is not valid".into(),
    }
}

/// What the length of the validated value counts.
fn length_unit(error: &ValidationError) -> &'static str {
    match error.params.get("value") {
        Some(Value::String(_)) => " characters",
        Some(Value::Array(_)) => " items",
        Some(Value::Object(_)) => " members",
        _ => "",
    }
}

/// Converts a field name to its JSON name: `must_change_password` to `mustChangePassword`.
fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    for (index, word) in field.trim_start_matches("r#").split('_').enumerate() {
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if index > 0 => {
                name.push(first.to_ascii_uppercase());
                name.push_str(chars.as_str());
            }
            _ => name.push_str(word),
        }
    }
    name
}
