//! Corrects the nullability of all schemas: a response never omits a nullable member, and in a request an omitted member
//! is not the same as `null`.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::schema::{Object, Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

/// Marks the nullable members of response schemas as required, and removes `null` defaults from all schemas.
pub fn correct_nullability(document: &mut OpenApi) {
    let json = serde_json::to_value(&*document).unwrap_or_default();
    let response_schemas = referenced_schemas(&json, &["responses"]);
    let request_schemas = referenced_schemas(&json, &["requestBody", "parameters"]);
    let Some(components) = document.components.as_mut() else {
        return;
    };
    for (name, schema) in &mut components.schemas {
        if let RefOr::T(Schema::Object(object)) = schema {
            if response_schemas.contains(name) && !request_schemas.contains(name) {
                require_nullable_members(object);
            }
            remove_null_defaults(object);
        }
    }
}

fn require_nullable_members(object: &mut Object) {
    let is_required = |name: &String| object.required.contains(name);
    let required = object
        .properties
        .iter()
        .filter(|(name, schema)| is_required(name) || is_nullable(schema))
        .map(|(name, _)| name.clone())
        .collect();
    object.required = required;
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let includes_null = |schema_type: &SchemaType| match schema_type {
        SchemaType::Array(types) => types.contains(&Type::Null),
        SchemaType::Type(single) => *single == Type::Null,
        SchemaType::AnyValue => false,
    };
    let RefOr::T(schema) = schema else {
        return false;
    };
    match schema {
        Schema::Object(object) => includes_null(&object.schema_type),
        Schema::Array(array) => includes_null(&array.schema_type),
        Schema::OneOf(one_of) => one_of.items.iter().any(is_nullable),
        _ => false,
    }
}

/// In a merge patch `null` clears a member and an omitted member is kept, so `null` is not a default.
fn remove_null_defaults(object: &mut Object) {
    for property in object.properties.values_mut() {
        match property {
            RefOr::T(Schema::Object(object)) => remove_if_null(&mut object.default),
            RefOr::T(Schema::Array(array)) => remove_if_null(&mut array.default),
            RefOr::T(Schema::OneOf(one_of)) => remove_if_null(&mut one_of.default),
            _ => {}
        }
    }
}

fn remove_if_null(default: &mut Option<Value>) {
    *default = default.take().filter(|value| !value.is_null());
}

/// The names of all schemas that these parts of the operations refer to, directly or through other schemas.
pub fn referenced_schemas(document: &Value, operation_parts: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let items = document["paths"].as_object().into_iter().flatten();
    for (_, operation) in items.flat_map(|(_, item)| item.as_object().into_iter().flatten()) {
        for part in operation_parts
            .iter()
            .filter_map(|part| operation.get(part))
        {
            collect_references(document, part, &mut names);
        }
    }
    names
}

fn collect_references(document: &Value, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(location) = members.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(location.trim_start_matches('#'));
                let is_new = match location.strip_prefix("#/components/schemas/") {
                    Some(name) => names.insert(name.to_owned()),
                    None => true,
                };
                if is_new {
                    collect_references(document, target.unwrap_or(&Value::Null), names);
                }
            }
            members
                .values()
                .for_each(|member| collect_references(document, member, names));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(document, item, names)),
        _ => {}
    }
}
