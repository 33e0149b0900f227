//! The document in the form of OpenAPI 3.0.3, for generators that do not read 3.1. It describes the same API with what 3.0 has:
//! `nullable` instead of a type `null`, and a plain text where values can be added later.

use std::collections::BTreeMap;

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
    let types = SchemaTypes::of(&document);
    convert(&mut document, &types);
    document
}

/// The types of the named schemas, by reference.
struct SchemaTypes(BTreeMap<String, Value>);

impl SchemaTypes {
    fn of(document: &Value) -> Self {
        let schemas = document.pointer("/components/schemas");
        let schemas = schemas.and_then(Value::as_object).into_iter().flatten();
        let reference = |name: &str| format!("#/components/schemas/{name}");
        let types = schemas
            .filter_map(|(name, schema)| Some((reference(name), schema.get("type")?.clone())));
        Self(types.collect())
    }
}

fn convert(value: &mut Value, types: &SchemaTypes) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                // Examples are data, not schemas.
                if !matches!(name.as_str(), "example" | "examples" | "default") {
                    convert(member, types);
                }
            }
            convert_object(members, types);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| convert(item, types)),
        _ => {}
    }
}

fn convert_object(members: &mut Map<String, Value>, types: &SchemaTypes) {
    if let Some(target) = members.get("$ref").cloned() {
        // 3.0 ignores all other members beside a reference.
        *members = Map::from_iter([("$ref".to_owned(), target)]);
        return;
    }
    members.remove("propertyNames");
    replace_null_in_types(members);
    replace_null_choice(members, types);
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

fn replace_null_choice(members: &mut Map<String, Value>, types: &SchemaTypes) {
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
            let target = reference.get("$ref").and_then(Value::as_str);
            // A nullable schema must have a type.
            if let Some(kind) = target.and_then(|target| types.0.get(target)) {
                members.insert("type".to_owned(), kind.clone());
            }
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
                json!({"description": "Text.", "nullable": true, "type": "object", "allOf": [{"$ref": "#/a"}]}),
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
            convert(
                &mut actual,
                &SchemaTypes(BTreeMap::from([("#/a".to_owned(), json!("object"))])),
            );
            assert_eq!(actual, converted);
        }
    }
}
