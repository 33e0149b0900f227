//! The document in the form of OpenAPI 3.0.3, for generators that do not read 3.1. It describes the same API with what 3.0 has:
//! `nullable` instead of a type `null`, and a plain text where values can be added later.

use serde_json::{Map, Value, json};

/// Converts the document.
#[must_use]
pub fn downgrade(mut document: Value) -> Value {
    if let Some(version) = document.pointer_mut("/openapi") {
        *version = json!("3.0.3");
    }
    if let Some(license) = document.pointer_mut("/info/license") {
        remove(license, "identifier");
    }
    convert(&mut document);
    document
}

fn convert(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                // Examples are data, not schemas.
                if !matches!(name.as_str(), "example" | "examples" | "default") {
                    convert(member);
                }
            }
            convert_object(members);
        }
        Value::Array(items) => items.iter_mut().for_each(convert),
        _ => {}
    }
}

fn convert_object(members: &mut Map<String, Value>) {
    if let Some(target) = members.get("$ref").cloned() {
        // 3.0 ignores all other members beside a reference.
        *members = Map::from_iter([("$ref".to_owned(), target)]);
        return;
    }
    members.remove("propertyNames");
    replace_null_in_types(members);
    replace_null_choice(members);
    replace_open_enum(members);
}

fn replace_null_in_types(members: &mut Map<String, Value>) {
    let Some(Value::Array(kinds)) = members.get("type") else {
        return;
    };
    let is_null = |kind: &&Value| **kind == "null";
    if let (true, Some(kind)) = (
        kinds.iter().any(|kind| is_null(&kind)),
        kinds.iter().find(|kind| !is_null(kind)).cloned(),
    ) {
        members.insert("type".to_owned(), kind);
        members.insert("nullable".to_owned(), json!(true));
    }
}

fn replace_null_choice(members: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = members.get("oneOf") else {
        return;
    };
    let [schema, null] = choices.as_slice() else {
        return;
    };
    if null["type"] != "null" {
        return;
    }
    let schema = schema.clone();
    members.remove("oneOf");
    members.insert("nullable".to_owned(), json!(true));
    match schema {
        Value::Object(schema) if !schema.contains_key("$ref") => members.extend(schema),
        reference => {
            members.insert("allOf".to_owned(), json!([reference]));
        }
    }
}

/// A value that is one of a list today, and can be another text later.
fn replace_open_enum(members: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = members.get("anyOf") else {
        return;
    };
    let Some(values) = choices.first().and_then(|known| known["enum"].as_array()) else {
        return;
    };
    let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    let known = format!("Known values: `{}`.", names.join("`, `"));
    let description = members.get("description").and_then(Value::as_str);
    let description = description.map_or_else(|| known.clone(), |text| format!("{text} {known}"));
    members.remove("anyOf");
    members.insert("type".to_owned(), json!("string"));
    members.insert("description".to_owned(), json!(description));
}

fn remove(object: &mut Value, name: &str) {
    if let Value::Object(members) = object {
        members.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nullable_members_and_open_values_have_the_form_of_3_0() {
        for (schema, converted) in [
            (
                json!({"type": ["string", "null"], "format": "uuid"}),
                json!({"type": "string", "nullable": true, "format": "uuid"}),
            ),
            (
                json!({"description": "Text.", "oneOf": [{"$ref": "#/a", "description": "Gone."}, {"type": "null"}]}),
                json!({"description": "Text.", "nullable": true, "allOf": [{"$ref": "#/a"}]}),
            ),
            (
                json!({"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "string"}], "description": "The state."}),
                json!({"type": "string", "description": "The state. Known values: `a`, `b`."}),
            ),
            (
                json!({"type": "string", "example": {"type": ["string", "null"]}}),
                json!({"type": "string", "example": {"type": ["string", "null"]}}),
            ),
        ] {
            let mut actual = schema;
            convert(&mut actual);
            assert_eq!(actual, converted);
        }
    }
}
