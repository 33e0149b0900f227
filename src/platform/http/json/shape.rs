//! Compares a rejected document with the schema of its type, as the API document shows it: serde reports only the first error,
//! and names Rust types. A number such as `20.0` becomes an integer, and a `null` member that is not allowed becomes absent, so
//! the document may be valid afterwards.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::pointer::push_segment;
use crate::platform::error::{AppError, FieldError};
use crate::platform::timestamp::{InvalidTimestamp, Timestamp};

/// What a `null` member means that its schema does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullMembers {
    /// The same as an absent member: in documents that create something.
    AreAbsent,
    /// A request to clear the member: in a merge patch (RFC 7396).
    AreKept,
}

/// The differences between the document and the schema of `T`, sorted by member; missing members come last.
pub fn check<T: ToSchema>(document: &mut Value, null_members: NullMembers) -> Vec<FieldError> {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let to_json = |schema| serde_json::to_value(schema).unwrap_or_default();
    let mut checker = ShapeChecker {
        named: named
            .into_iter()
            .map(|(name, schema)| (name, to_json(schema)))
            .collect(),
        null_members,
        errors: Vec::new(),
    };
    checker.check("", document, &to_json(T::schema()));
    checker.errors
}

struct ShapeChecker {
    /// The schemas that others refer to, by name.
    named: Map<String, Value>,
    null_members: NullMembers,
    errors: Vec<FieldError>,
}

impl ShapeChecker {
    fn check(&mut self, pointer: &str, value: &mut Value, schema: &Value) {
        let Some(schema) = self.resolve(schema) else {
            return;
        };
        if value.is_null() {
            if !allows_null(&schema) && self.null_members == NullMembers::AreAbsent {
                self.add(pointer, "invalid_type", "must not be null");
            }
            return;
        }
        let Some(kind) = kind(&schema) else {
            return;
        };
        match (kind, &mut *value) {
            ("object", Value::Object(members)) => self.check_object(pointer, members, &schema),
            ("array", Value::Array(items)) => {
                self.check_length(pointer, items.len(), "Items", &schema);
                for (index, item) in items.iter_mut().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    self.check(
                        &format!("{pointer}/{index}"),
                        item,
                        member(&schema, "items"),
                    );
                }
            }
            ("string", Value::String(text)) => self.check_text(pointer, text, &schema),
            ("integer", Value::Number(_)) => self.check_integer(pointer, value, &schema),
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
            _ => self.add(pointer, "invalid_type", expected(kind)),
        }
    }

    fn check_object(&mut self, pointer: &str, members: &mut Map<String, Value>, schema: &Value) {
        let Some(properties) = member(schema, "properties").as_object() else {
            return;
        };
        if self.null_members == NullMembers::AreAbsent {
            members.retain(|name, value| {
                let schema = properties.get(name);
                let is_allowed = |schema| {
                    self.resolve(schema)
                        .is_none_or(|schema| allows_null(&schema))
                };
                !value.is_null() || schema.is_none_or(is_allowed)
            });
        }
        let is_closed = *member(schema, "additionalProperties") == Value::Bool(false);
        for (name, value) in members.iter_mut() {
            if self.is_full() {
                return;
            }
            let member = member_pointer(pointer, name);
            match properties.get(name) {
                Some(schema) => self.check(&member, value, schema),
                None if is_closed => {
                    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
                    let detail = unknown_detail("member", "members", &names);
                    self.add(&member, "unknown_field", detail);
                }
                None => {}
            }
        }
        for name in member(schema, "required").as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !members.contains_key(name) {
                self.add(&member_pointer(pointer, name), "required", "is required");
            }
        }
    }

    fn check_text(&mut self, pointer: &str, text: &str, schema: &Value) {
        self.check_length(pointer, text.trim().chars().count(), "Length", schema);
        if let Some(allowed) = member(schema, "enum").as_array() {
            let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            if !names.contains(&text) {
                let detail = format!("must be one of: {}", names.join(", "));
                self.add(pointer, "invalid_value", detail);
            }
        }
        match member(schema, "format").as_str() {
            Some("uuid") if text.parse::<uuid::Uuid>().is_err() => {
                self.add(pointer, "invalid_value", "must be an id (UUID)");
            }
            Some("date-time") => {
                let parsed = serde_json::from_value::<Timestamp>(text.into());
                match parsed.map_err(|error| error.to_string()) {
                    Ok(_) => {}
                    Err(message) if message.starts_with("out of range") => {
                        self.add(pointer, "out_of_range", InvalidTimestamp::Range.detail());
                    }
                    Err(_) => {
                        self.add(pointer, "invalid_value", InvalidTimestamp::Format.detail());
                    }
                }
            }
            _ => {}
        }
    }

    /// Compares the number of characters (`unit`: `Length`) or items (`Items`) with the bounds of the schema.
    fn check_length(&mut self, pointer: &str, length: usize, unit: &str, schema: &Value) {
        let bound = |prefix: &str| member(schema, &format!("{prefix}{unit}")).as_u64();
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let name = if unit == "Items" {
            "items"
        } else {
            "characters"
        };
        if let Some(max) = bound("max").filter(|max| length > *max) {
            let code = if unit == "Items" {
                "too_many"
            } else {
                "too_long"
            };
            self.add(pointer, code, format!("must be at most {max} {name}"));
        } else if let Some(min) = bound("min").filter(|min| length < *min) {
            self.add(
                pointer,
                "too_short",
                format!("must be at least {min} {name}"),
            );
        }
    }

    /// Also replaces a number without a fraction, such as `20.0`, by the integer.
    fn check_integer(&mut self, pointer: &str, value: &mut Value, schema: &Value) {
        if let Some(integer) = value.as_f64().filter(|_| value.is_f64()).and_then(whole) {
            *value = integer.into();
        }
        let Some(integer) = value.as_i64() else {
            let (code, detail) = if value.is_f64() {
                ("invalid_type", "must be an integer")
            } else {
                ("invalid_value", "is too large")
            };
            return self.add(pointer, code, detail);
        };
        let bound = |name: &str, default: i64| member(schema, name).as_i64().unwrap_or(default);
        let (lowest, highest) = match member(schema, "format").as_str() {
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let (min, max) = (bound("minimum", lowest), bound("maximum", highest));
        if integer < min || integer > max {
            let detail = format!("must be from {min} to {max}");
            self.add(pointer, "out_of_range", detail);
        }
    }

    /// The schema behind a reference, or behind the choice between a schema and null. `None` for anything else that has no type.
    fn resolve(&self, schema: &Value) -> Option<Value> {
        const MAX_STEPS: usize = 8;
        let mut schema = schema.clone();
        let mut is_nullable = false;
        for _ in 0..MAX_STEPS {
            let choices = ["oneOf", "anyOf", "allOf"]
                .iter()
                .find_map(|name| member(&schema, name).as_array());
            if let Some(name) = member(&schema, "$ref").as_str() {
                schema = self.named.get(name.rsplit('/').next()?)?.clone();
            } else if let Some(choices) = choices {
                let is_null = |choice: &&Value| member(choice, "type") == "null";
                is_nullable |= choices.iter().any(|choice| is_null(&choice));
                let mut others = choices.iter().filter(|choice| !is_null(choice));
                let (only, None) = (others.next()?.clone(), others.next()) else {
                    return None;
                };
                schema = only;
            } else {
                if let (true, Value::Object(members)) = (is_nullable, &mut schema) {
                    members.insert("nullable".to_owned(), Value::Bool(true));
                }
                return Some(schema);
            }
        }
        None
    }

    /// Whether there are more errors than a response lists. A short document can contain very many.
    fn is_full(&self) -> bool {
        self.errors.len() > AppError::MAX_FIELD_ERRORS
    }

    fn add(
        &mut self,
        pointer: &str,
        code: &'static str,
        detail: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.errors
            .push(FieldError::new(pointer.to_owned(), code, detail));
    }
}

/// A member of a schema; null if it is absent.
fn member<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema.get(name).unwrap_or(&Value::Null)
}

/// The detail for an unknown member or parameter: it lists those that are known.
#[must_use]
pub fn unknown_detail(one: &str, several: &str, known: &[&str]) -> String {
    match known {
        [] => format!("is not a supported {one}: there are none"),
        [only] => format!("is not a supported {one}; the only one is {only}"),
        _ => format!(
            "is not a supported {one}; the {several} are {}",
            known.join(", ")
        ),
    }
}

fn member_pointer(parent: &str, name: &str) -> String {
    let mut pointer = parent.to_owned();
    push_segment(&mut pointer, name);
    pointer
}

/// The types of a schema other than `null`; `None` if there is not exactly one.
fn kind(schema: &Value) -> Option<&str> {
    match member(schema, "type") {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds
                .iter()
                .filter_map(Value::as_str)
                .filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    }
}

fn allows_null(schema: &Value) -> bool {
    let in_list = |kinds: &Vec<Value>| kinds.iter().any(|kind| kind == "null");
    let kind = member(schema, "type");
    *member(schema, "nullable") == Value::Bool(true)
        || kind == "null"
        || kind.is_null()
        || kind.as_array().is_some_and(in_list)
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "object" => "must be a JSON object",
        "array" => "must be an array",
        "string" => "must be a string",
        "integer" => "must be an integer",
        "boolean" => "must be true or false",
        _ => "has the wrong type",
    }
}

/// The number as an integer, if it has no fraction and is represented exactly.
fn whole(number: f64) -> Option<i64> {
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let integer = number as i64;
    (number.fract() == 0.0 && number.abs() <= MAX_EXACT).then_some(integer)
}
