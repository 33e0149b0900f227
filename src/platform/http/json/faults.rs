//! What serde and validator complain about, in the words of the contract. Their own messages quote the value that they
//! complain about, which may be a secret, so of those only the part that says what was expected is kept.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use super::push_segment;
use crate::platform::error::Fault;

/// A document that is no `T`.
pub fn from_serde(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let mut pointer = pointer_to(error.path());
    let message = error.inner().to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(message, _)| message);
    if let Some(name) = message.strip_prefix("missing field `") {
        push_segment(&mut pointer, name.trim_end_matches('`'));
        return Fault::new(pointer, "required", "is required");
    }
    if message.starts_with("unknown field ") {
        return Fault::new(
            pointer,
            "unknown_field",
            "is not a member that is known here",
        );
    }
    let code = if message.starts_with("invalid type: ") {
        "invalid_type"
    } else {
        "invalid_value"
    };
    Fault::new(pointer, code, expectation(message))
}

/// The last `, expected …`: it comes from our types, and what comes before it from the caller.
fn expectation(message: &str) -> Cow<'static, str> {
    let speaks_of_types = [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown variant ",
    ]
    .iter()
    .any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if speaks_of_types => format!("expected {expected}").into(),
        _ => "is not valid".into(),
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

/// A value that is a `T`, and breaks a rule of it.
pub fn from_validation(errors: &ValidationErrors) -> Vec<Fault> {
    let mut faults = Vec::new();
    collect("", errors, &mut faults);
    faults.sort_by(|a, b| (&a.pointer, a.code).cmp(&(&b.pointer, b.code)));
    faults
}

fn collect(parent: &str, errors: &ValidationErrors, faults: &mut Vec<Fault>) {
    for (field, kind) in errors.errors() {
        let mut pointer = parent.to_owned();
        // What the type says of itself as a whole is filed under this name.
        if field != "__all__" {
            push_segment(&mut pointer, &camel_case(field));
        }
        match kind {
            ValidationErrorsKind::Struct(inner) => collect(&pointer, inner, faults),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    let mut pointer = pointer.clone();
                    push_index(&mut pointer, *index);
                    collect(&pointer, inner, faults);
                }
            }
            ValidationErrorsKind::Field(broken) => {
                faults.extend(broken.iter().map(|rule| fault(pointer.clone(), rule)));
            }
        }
    }
}

fn push_index(pointer: &mut String, index: usize) {
    // Writing into a string can't fail.
    let _ = write!(pointer, "/{index}");
}

fn fault(pointer: String, rule: &ValidationError) -> Fault {
    let code = match &*rule.code {
        "length" => length_code(rule),
        "range" => "out_of_range",
        "email" => "invalid_email",
        "url" => "invalid_url",
        "regex" => "invalid_format",
        _ => match rule.code {
            Cow::Borrowed(code) => code,
            Cow::Owned(_) => "invalid_value",
        },
    };
    let detail = rule.message.clone().unwrap_or_else(|| describe(code, rule));
    Fault::new(pointer, code, detail)
}

/// Which end of the range a length is beyond. The value itself travels in the parameters; it goes no further.
fn length_code(rule: &ValidationError) -> &'static str {
    let bound = |name| rule.params.get(name).and_then(Value::as_u64);
    let length = rule.params.get("value").and_then(length_of);
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

fn describe(code: &str, rule: &ValidationError) -> Cow<'static, str> {
    let bound = |name| rule.params.get(name).filter(|bound| bound.is_number());
    match (code, bound("min"), bound("max")) {
        ("too_short", Some(min), _) => format!("must have at least {min}").into(),
        ("too_long", _, Some(max)) => format!("must have at most {max}").into(),
        ("out_of_range", Some(min), Some(max)) => format!("must be from {min} to {max}").into(),
        ("out_of_range", Some(min), None) => format!("must be at least {min}").into(),
        ("out_of_range", None, Some(max)) => format!("must be at most {max}").into(),
        ("invalid_email", ..) => "is not an email address".into(),
        ("invalid_url", ..) => "is not a URL".into(),
        ("required", ..) => "is required".into(),
        _ => "is not valid".into(),
    }
}

/// `must_change_password` as it is written on the wire.
fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    for (index, word) in field.trim_start_matches("r#").split('_').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if index > 0 => {
                name.push(first.to_ascii_uppercase());
                name.push_str(letters.as_str());
            }
            _ => name.push_str(word),
        }
    }
    name
}
