//! The operations of the document: texts, media types and parameters.

use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, RefOr, ServerBuilder};

use crate::server::openapi::operation_defaults::operations_mut;

pub fn adapt(document: &mut OpenApi) {
    let server = ServerBuilder::new()
        .url("/")
        .description(Some("The host that serves this document"));
    document.servers = Some(vec![server.build()]);
    for (path, item) in &mut document.paths.paths {
        if let Some(patch) = &mut item.patch {
            accept_merge_patch(patch);
        }
        for operation in operations_mut(item) {
            adapt_operation(path, operation);
        }
    }
}

fn accept_merge_patch(operation: &mut Operation) {
    if let Some(RefOr::T(body)) = &mut operation.request_body
        && let Some(content) = body.content.get("application/json").cloned()
    {
        body.content
            .insert("application/merge-patch+json".to_owned(), content);
    }
}

fn adapt_operation(path: &str, operation: &mut Operation) {
    if let Some(summary) = &mut operation.summary {
        summary.truncate(summary.trim_end_matches('.').len());
    }
    // Generators know "no scheme" only as an empty list.
    if operation.security == Some(vec![SecurityRequirement::default()]) {
        operation.security = Some(Vec::new());
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && parameter.description.is_none()
        {
            parameter.description = Some(path_parameter_description(path, &parameter.name));
        }
    }
}

/// The description of a path parameter that its handler does not describe.
fn path_parameter_description(path: &str, name: &str) -> String {
    let placeholder = format!("/{{{name}}}");
    let before = path.split(&placeholder).next().unwrap_or_default();
    let resource = match before.rsplit('/').next().unwrap_or_default() {
        "users" => "account",
        "sessions" => "session",
        "tokens" => "token",
        "clients" => "service client",
        "roles" => "role",
        "permissions" => "permission",
        "tags" => return "The tag.".to_owned(),
        "invites" => return "The id of the invite, or its token.".to_owned(),
        _ => "resource",
    };
    let property = if name == "name" { "name" } else { "id" };
    format!("The {property} of the {resource}.")
}
