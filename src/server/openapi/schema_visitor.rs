//! Visits every schema of an OpenAPI document, wherever it is written.

use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Schema};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::operation_defaults::operations_mut;

/// Calls `visit` with each schema and reference, from the innermost to the outermost.
pub fn visit_schemas(document: &mut OpenApi, visit: &mut impl FnMut(&mut RefOr<Schema>)) {
    if let Some(components) = &mut document.components {
        for schema in components.schemas.values_mut() {
            visit_schema(schema, visit);
        }
        for response in components.responses.values_mut() {
            if let RefOr::T(response) = response {
                visit_contents(response.content.values_mut(), visit);
            }
        }
    }
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter
                && let Some(schema) = &mut parameter.schema
            {
                visit_schema(schema, visit);
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            visit_contents(body.content.values_mut(), visit);
        }
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                visit_contents(response.content.values_mut(), visit);
            }
        }
    }
}

fn visit_contents<'c>(
    contents: impl Iterator<Item = &'c mut RefOr<Content>>,
    visit: &mut impl FnMut(&mut RefOr<Schema>),
) {
    for content in contents {
        if let RefOr::T(content) = content
            && let Some(schema) = &mut content.schema
        {
            visit_schema(schema, visit);
        }
    }
}

/// [`visit_schemas`] below one schema.
pub fn visit_schema(schema: &mut RefOr<Schema>, visit: &mut impl FnMut(&mut RefOr<Schema>)) {
    if let RefOr::T(inner) = schema {
        match inner {
            Schema::Object(object) => {
                for property in object.properties.values_mut() {
                    visit_schema(property, visit);
                }
                if let Some(AdditionalProperties::RefOr(values)) =
                    object.additional_properties.as_deref_mut()
                {
                    visit_schema(values, visit);
                }
            }
            Schema::Array(array) => {
                if let ArrayItems::RefOrSchema(items) = &mut array.items {
                    visit_schema(items, visit);
                }
            }
            Schema::OneOf(choice) => visit_all(&mut choice.items, visit),
            Schema::AllOf(parts) => visit_all(&mut parts.items, visit),
            Schema::AnyOf(choice) => visit_all(&mut choice.items, visit),
            _ => {}
        }
    }
    visit(schema);
}

fn visit_all(schemas: &mut [RefOr<Schema>], visit: &mut impl FnMut(&mut RefOr<Schema>)) {
    for schema in schemas {
        visit_schema(schema, visit);
    }
}
