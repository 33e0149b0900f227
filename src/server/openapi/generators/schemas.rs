//! The schemas of the document: their names, free-form objects, and values of responses.

use std::collections::BTreeSet;

use utoipa::openapi::schema::{
    AdditionalProperties, AllOf, AnyOfBuilder, Object, ObjectBuilder, OneOf, Schema, SchemaType,
    Type,
};
use utoipa::openapi::{OpenApi, RefOr};

use crate::server::openapi::nullability::referenced_schemas;
use crate::server::openapi::schema_visitor::{visit_schema, visit_schemas};

const SCHEMAS: &str = "#/components/schemas/";

pub fn adapt(document: &mut OpenApi) {
    rename_wrappers(document);
    visit_schemas(document, &mut |schema| {
        describe_inline_schema(schema);
        if let RefOr::T(Schema::OneOf(choice)) = schema {
            describe_nullable_reference(choice);
        }
        if let RefOr::T(Schema::Object(object)) = schema {
            allow_any_member(object);
        }
    });
    merge_extended_schemas(document);
    remove_unused_schemas(document);
    open_response_enums(document);
}

/// `Data_User` is the response with one `User`, and `Page_User` the page of a list: `UserResponse` and `UserPage`.
fn rename_wrappers(document: &mut OpenApi) {
    let new_name = |name: &str| match name.split_once('_') {
        Some(("Data", item)) => format!("{item}Response"),
        Some(("Page", item)) => format!("{item}Page"),
        _ => name.to_owned(),
    };
    visit_schemas(document, &mut |schema| {
        if let RefOr::Ref(reference) = schema
            && let Some(name) = reference.ref_location.strip_prefix(SCHEMAS)
        {
            reference.ref_location = format!("{SCHEMAS}{}", new_name(name));
        }
    });
    if let Some(components) = &mut document.components {
        components.schemas = std::mem::take(&mut components.schemas)
            .into_iter()
            .map(|(name, schema)| (new_name(&name), schema))
            .collect();
    }
}

/// utoipa adds the description of an inlined schema as a second schema, an object, which no text matches.
fn describe_inline_schema(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::AllOf(AllOf { items, .. })) = schema else {
        return;
    };
    let [
        RefOr::T(Schema::Object(inlined)),
        RefOr::T(Schema::Object(outer)),
    ] = items.as_mut_slice()
    else {
        return;
    };
    if outer.properties.is_empty() && outer.required.is_empty() {
        inlined.description = outer.description.take();
        *schema = RefOr::T(Schema::Object(std::mem::take(inlined)));
    }
}

/// Moves the description of a member that is a reference or null from the reference to the member.
fn describe_nullable_reference(choice: &mut OneOf) {
    if let [RefOr::Ref(reference), RefOr::T(_)] = choice.items.as_mut_slice()
        && !reference.description.is_empty()
    {
        choice.description = Some(std::mem::take(&mut reference.description));
    }
}

/// An object without known members accepts any member.
fn allow_any_member(object: &mut Object) {
    let is_object = match &object.schema_type {
        SchemaType::Type(kind) => *kind == Type::Object,
        SchemaType::Array(kinds) => kinds.contains(&Type::Object),
        SchemaType::AnyValue => false,
    };
    if is_object && object.properties.is_empty() && object.additional_properties.is_none() {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
    }
}

/// Replaces a schema that extends another one by a schema with the members of both. Generators disagree about `allOf`.
fn merge_extended_schemas(document: &mut OpenApi) {
    let Some(components) = &mut document.components else {
        return;
    };
    let named = components.schemas.clone();
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::AllOf(AllOf {
            items, description, ..
        })) = schema
        else {
            continue;
        };
        let mut merged = ObjectBuilder::new().description(description.take()).build();
        for part in items.iter() {
            let part = match part {
                RefOr::Ref(reference) => reference
                    .ref_location
                    .strip_prefix(SCHEMAS)
                    .and_then(|name| named.get(name)),
                RefOr::T(_) => Some(part),
            };
            if let Some(RefOr::T(Schema::Object(part))) = part {
                merged.properties.extend(part.properties.clone());
                merged.required.extend(part.required.iter().cloned());
            }
        }
        *schema = RefOr::T(Schema::Object(merged));
    }
}

/// Removes the schemas that were only parts of others.
fn remove_unused_schemas(document: &mut OpenApi) {
    let mut used = BTreeSet::new();
    visit_schemas(document, &mut |schema| {
        if let RefOr::Ref(reference) = schema {
            used.insert(reference.ref_location.clone());
        }
    });
    if let Some(components) = &mut document.components {
        let is_used = |name: &String| used.contains(&format!("{SCHEMAS}{name}"));
        components.schemas.retain(|name, _| is_used(name));
    }
}

/// Responses can get values that are unknown today, so a client must accept any text. Requests keep the closed list.
fn open_response_enums(document: &mut OpenApi) {
    let json = serde_json::to_value(&*document).unwrap_or_default();
    let in_responses = referenced_schemas(&json, &["responses"]);
    let in_requests = referenced_schemas(&json, &["requestBody", "parameters"]);
    let Some(components) = &mut document.components else {
        return;
    };
    for (name, schema) in &mut components.schemas {
        if in_responses.contains(name) && !in_requests.contains(name) {
            visit_schema(schema, &mut |schema| {
                if let RefOr::T(Schema::Object(object)) = schema
                    && object.enum_values.is_some()
                {
                    *schema = open_enum(object);
                }
            });
        }
    }
}

/// One of the known values, or any other text.
fn open_enum(known: &mut Object) -> RefOr<Schema> {
    let any_text = ObjectBuilder::new().schema_type(Type::String);
    let description = known.description.take();
    AnyOfBuilder::new()
        .item(std::mem::take(known))
        .item(any_text)
        .description(description)
        .into()
}
