//! What is true of all schemas: what an answer can leave `null` it never leaves out, and what a request leaves out is not
//! the same as `null`.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::schema::{Object, Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

/// Says both of the document's schemas.
pub fn complete(document: &mut OpenApi) {
    let written = serde_json::to_value(&*document).unwrap_or_default();
    let answers = reachable(&written, &["responses"]);
    let requests = reachable(&written, &["requestBody", "parameters"]);
    let Some(components) = document.components.as_mut() else {
        return;
    };
    for (name, schema) in &mut components.schemas {
        if let RefOr::T(Schema::Object(object)) = schema {
            if answers.contains(name) && !requests.contains(name) {
                require_nullable(object);
            }
            forget_null_defaults(object);
        }
    }
}

fn require_nullable(object: &mut Object) {
    let is_said = |name: &String| object.required.contains(name);
    let required = object
        .properties
        .iter()
        .filter(|(name, schema)| is_said(name) || is_nullable(schema))
        .map(|(name, _)| name.clone())
        .collect();
    object.required = required;
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let is_null = |kind: &SchemaType| match kind {
        SchemaType::Array(types) => types.contains(&Type::Null),
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::AnyValue => false,
    };
    let RefOr::T(schema) = schema else {
        return false;
    };
    match schema {
        Schema::Object(object) => is_null(&object.schema_type),
        Schema::Array(array) => is_null(&array.schema_type),
        Schema::OneOf(ways) => ways.items.iter().any(is_nullable),
        _ => false,
    }
}

/// `null` clears a member of a merge patch; to leave the member out keeps it.
fn forget_null_defaults(object: &mut Object) {
    for property in object.properties.values_mut() {
        match property {
            RefOr::T(Schema::Object(object)) => forget(&mut object.default),
            RefOr::T(Schema::Array(array)) => forget(&mut array.default),
            RefOr::T(Schema::OneOf(ways)) => forget(&mut ways.default),
            _ => {}
        }
    }
}

fn forget(default: &mut Option<Value>) {
    *default = default.take().filter(|value| !value.is_null());
}

/// The names of all schemas that these parts of the operations refer to, directly or through others.
fn reachable(document: &Value, parts: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let items = document["paths"].as_object().into_iter().flatten();
    for (_, operation) in items.flat_map(|(_, item)| item.as_object().into_iter().flatten()) {
        for part in parts.iter().filter_map(|part| operation.get(part)) {
            follow(document, part, &mut found);
        }
    }
    found
}

fn follow(document: &Value, from: &Value, found: &mut BTreeSet<String>) {
    match from {
        Value::Object(members) => {
            if let Some(at) = members.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(at.trim_start_matches('#'));
                let is_new = match at.strip_prefix("#/components/schemas/") {
                    Some(name) => found.insert(name.to_owned()),
                    None => true,
                };
                if is_new {
                    follow(document, target.unwrap_or(&Value::Null), found);
                }
            }
            members
                .values()
                .for_each(|member| follow(document, member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| follow(document, item, found)),
        _ => {}
    }
}
