//! Adds the parameters, responses and headers that follow from an operation's method, path, security, body and responses,
//! so that handlers do not list them. An integration test compares them with the behaviour of the service.

use std::collections::BTreeSet;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, Content, Paths, Ref, RefOr, Required, Response};

use super::shared_components;

/// Adds the derived parts to every operation, and the components that they refer to.
pub fn add_to(paths: &mut Paths, components: &mut Components) {
    let versioned = VersionedResources::find(paths);
    for (path, item) in &mut paths.paths {
        for (method, operation) in operations(item) {
            let traits = OperationTraits::derive(method, path, operation, &versioned);
            traits.apply(operation);
            mark_optional_body(method, operation, components);
        }
    }
    shared_components::add_to(components);
}

/// The body of a POST or DELETE without required members is optional: a missing body is the same as an empty object. A PATCH
/// without a body is refused.
fn mark_optional_body(method: Method, operation: &mut Operation, components: &Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    if method == Method::Patch {
        return;
    }
    let Some(RefOr::T(content)) = body.content.get("application/json") else {
        return;
    };
    let Some(RefOr::Ref(reference)) = &content.schema else {
        return;
    };
    let name = reference
        .ref_location
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get(name)
        && schema.required.is_empty()
    {
        body.required = Some(Required::False);
    }
}

/// The HTTP methods of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::Get, &mut item.get),
        (Method::Post, &mut item.post),
        (Method::Put, &mut item.put),
        (Method::Patch, &mut item.patch),
        (Method::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The operations of a path.
pub fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    operations(item).map(|(_, operation)| operation)
}

/// The resources that have an `ETag`: those whose GET documents a 304 response.
struct VersionedResources {
    /// The schemas of their representations.
    schemas: BTreeSet<String>,
    /// The beginnings of their paths, and of the paths of their subresources.
    path_prefixes: Vec<String>,
}

/// A documented GET operation.
struct GetOperation {
    path: String,
    response_schema: String,
    is_versioned: bool,
}

impl VersionedResources {
    fn find(paths: &Paths) -> Self {
        let gets: Vec<GetOperation> = paths
            .paths
            .iter()
            .filter_map(|(path, item)| GetOperation::find(path, item))
            .collect();
        let schemas: BTreeSet<String> = gets
            .iter()
            .filter(|get| get.is_versioned)
            .map(|get| get.response_schema.clone())
            .collect();
        let path_prefixes = gets
            .iter()
            .filter_map(|get| get.versioned_path_prefix(&schemas))
            .collect();
        Self {
            schemas,
            path_prefixes,
        }
    }

    /// Whether the path is that of a versioned resource or of one of its subresources.
    fn contains(&self, path: &str) -> bool {
        self.path_prefixes
            .iter()
            .any(|prefix| path.starts_with(prefix))
    }
}

impl GetOperation {
    fn find(path: &str, item: &PathItem) -> Option<Self> {
        let get = item.get.as_ref()?;
        Some(Self {
            path: path.to_owned(),
            response_schema: response_schema(get)?,
            is_versioned: get.responses.responses.contains_key("304"),
        })
    }

    /// The path of a versioned resource, or `{list}/{` for a list of versioned resources.
    fn versioned_path_prefix(&self, versioned_schemas: &BTreeSet<String>) -> Option<String> {
        if self.is_versioned {
            return Some(self.path.clone());
        }
        let is_list_of_versioned = self.response_schema.starts_with("Page_")
            && versioned_schemas.contains(&self.response_schema.replacen("Page_", "Data_", 1));
        is_list_of_versioned.then(|| format!("{}/{{", self.path))
    }
}

/// The name of the JSON schema of the successful response.
fn response_schema(operation: &Operation) -> Option<String> {
    let json_content = |response: &RefOr<Response>| match response {
        RefOr::T(response) => response.content.get("application/json").cloned(),
        RefOr::Ref(_) => None,
    };
    let content = ["200", "201"]
        .into_iter()
        .find_map(|status| json_content(operation.responses.responses.get(status)?));
    match content? {
        RefOr::T(Content {
            schema: Some(RefOr::Ref(schema)),
            ..
        }) => schema.ref_location.rsplit('/').next().map(str::to_owned),
        _ => None,
    }
}

/// The properties from which the derived parts of an operation follow.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the properties are independent of one another"
)]
struct OperationTraits {
    needs_authentication: bool,
    is_write: bool,
    has_body: bool,
    has_input: bool,
    has_path_parameter: bool,
    /// Its successful response carries an `ETag`.
    has_etag: bool,
    /// It answers 304 to a matching `If-None-Match`.
    answers_not_modified: bool,
    /// It accepts `If-Match`.
    is_conditional: bool,
    creates_resource: bool,
    /// Its errors have the form of RFC 6749.
    is_oauth: bool,
    /// It accepts an `Idempotency-Key`.
    is_idempotent_post: bool,
}

impl OperationTraits {
    fn derive(
        method: Method,
        path: &str,
        operation: &Operation,
        versioned: &VersionedResources,
    ) -> Self {
        let has_response = |status: &str| operation.responses.responses.contains_key(status);
        let no_authentication = SecurityRequirement::default();
        let needs_authentication = !operation
            .security
            .as_ref()
            .is_some_and(|requirements| requirements.contains(&no_authentication));
        let is_write = method != Method::Get;
        let creates_resource = method == Method::Post && has_response("201");
        let is_oauth = path.starts_with("/api/v1/oauth/");
        let is_sign_in = path.starts_with("/api/v1/auth/") || is_oauth;
        Self {
            needs_authentication,
            is_write,
            has_body: operation.request_body.is_some(),
            has_input: operation.request_body.is_some() || operation.parameters.is_some(),
            has_path_parameter: path.contains('{'),
            has_etag: response_schema(operation)
                .is_some_and(|schema| versioned.schemas.contains(&schema)),
            answers_not_modified: has_response("304"),
            is_conditional: is_write && versioned.contains(path),
            creates_resource,
            is_oauth,
            is_idempotent_post: creates_resource && needs_authentication && !is_sign_in,
        }
    }

    fn apply(&self, operation: &mut Operation) {
        if self.needs_authentication {
            operation.security = Some(vec![SecurityRequirement::new("bearer", [""; 0])]);
        }
        for name in self.parameters() {
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(RefOr::Ref(Ref::new(format!(
                "#/components/parameters/{name}"
            ))));
        }
        let responses = &mut operation.responses.responses;
        for (status, response) in responses.iter_mut() {
            if let RefOr::T(response) = response {
                for name in self.response_headers(status) {
                    let header = Ref::new(format!("#/components/headers/{name}"));
                    response.headers.insert(name.to_owned(), RefOr::Ref(header));
                }
            }
        }
        for status in self.error_statuses() {
            responses.entry(status.to_owned()).or_insert_with(|| {
                RefOr::Ref(Ref::from_response_name(self.error_response_name(status)))
            });
        }
    }

    fn error_response_name(&self, status: &str) -> &'static str {
        match status {
            _ if self.is_oauth => shared_components::OAUTH_ERROR,
            "401" => shared_components::UNAUTHENTICATED,
            "429" => shared_components::RATE_LIMITED,
            "403" => shared_components::FORBIDDEN,
            "503" => shared_components::UNAVAILABLE,
            _ => shared_components::PROBLEM,
        }
    }

    /// The names of the request headers to document on the operation.
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        select([
            (self.answers_not_modified, "If-None-Match"),
            (self.is_conditional, "If-Match"),
            (self.is_idempotent_post, "Idempotency-Key"),
        ])
    }

    /// The headers to add to the response with this status.
    fn response_headers(&self, status: &str) -> impl Iterator<Item = &'static str> {
        let is_success = status.starts_with('2') || status == "304";
        select([
            (is_success && self.has_etag, "ETag"),
            (status == "201" && self.creates_resource, "Location"),
            (
                status == "201" && self.is_idempotent_post,
                "Idempotency-Replayed",
            ),
        ])
    }

    /// The error responses to add, unless the handler documents them.
    fn error_statuses(&self) -> impl Iterator<Item = &'static str> {
        let checks_credentials = self.needs_authentication || self.has_body;
        select([
            (true, "429"),
            (true, "500"),
            (true, "503"),
            (checks_credentials, "401"),
            (checks_credentials && !self.is_oauth, "403"),
            // Every operation refuses query parameters that it does not know.
            (true, "400"),
            (self.has_body, "408"),
            (self.has_body, "413"),
            (self.has_body && !self.is_oauth, "415"),
            (self.has_path_parameter, "404"),
            (self.is_write && self.has_input && !self.is_oauth, "409"),
            (self.is_conditional, "412"),
            (self.is_idempotent_post, "422"),
        ])
    }
}

/// The values whose condition is true.
fn select<const N: usize>(
    candidates: [(bool, &'static str); N],
) -> impl Iterator<Item = &'static str> {
    candidates
        .into_iter()
        .filter_map(|(is_selected, value)| is_selected.then_some(value))
}
