//! A validator for the part of JSON Schema that the OpenAPI document uses.

use serde_json::{Value, json};

/// Checks a value against a schema of the OpenAPI document. Supports the keywords that the document uses.
///
/// # Errors
/// A description of the first difference.
pub fn matches_schema(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return matches_schema(
            document,
            document.pointer(reference.trim_start_matches('#')).unwrap(),
            value,
        );
    }
    // A response can contain values that are added later; those of today are in the first variant.
    if let Some(variants) = schema["anyOf"].as_array() {
        return matches_schema(document, &variants[0], value);
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        let matching = variants
            .iter()
            .filter(|variant| matches_schema(document, variant, value).is_ok());
        return if matching.count() == 1 {
            Ok(())
        } else {
            Err(format!("{value} is not one of {schema}"))
        };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_type_allowed = match &schema["type"] {
        Value::Array(kinds) => kinds.contains(&json!(kind)),
        Value::Null => true,
        single => single == kind,
    };
    if !is_type_allowed {
        return Err(format!("{value} is not of type {}", schema["type"]));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return Err(format!("{value} is none of {allowed:?}"));
    }
    match value {
        Value::String(text) => has_format(schema["format"].as_str(), text),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| matches_schema(document, &schema["items"], item)),
        Value::Object(members) => {
            let none = serde_json::Map::new();
            let properties = schema["properties"].as_object();
            for name in schema["required"].as_array().into_iter().flatten() {
                if !members.contains_key(name.as_str().unwrap()) {
                    return Err(format!("{name} is missing"));
                }
            }
            for (name, member) in members {
                match (properties.unwrap_or(&none).get(name), properties) {
                    (Some(schema), _) => matches_schema(document, schema, member)
                        .map_err(|error| format!("{name}: {error}"))?,
                    (None, Some(_)) => return Err(format!("{name} is not documented")),
                    (None, None) => {}
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_format(format: Option<&str>, text: &str) -> Result<(), String> {
    let is_valid = match format {
        Some("uuid") => text.len() == 36 && uuid::Uuid::parse_str(text).is_ok(),
        Some("date-time") => {
            text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
        }
        _ => true,
    };
    is_valid
        .then_some(())
        .ok_or_else(|| format!("{text:?} is not a valid {}", format.unwrap_or_default()))
}
