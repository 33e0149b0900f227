//! Refuses query parameters of operations that have none. Operations with parameters read them with `Query`, which refuses
//! those that it does not know. Paths, methods and parameters are taken from the OpenAPI document.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{OpenApi, RefOr};

use super::fallback_route::PathPattern;
use super::query::no_parameters_allowed;
use crate::platform::error::AppError;

/// Only paths below this prefix are checked: browsers and caches add parameters to others.
const API_PREFIX: &str = "/api/v1/";

/// The documented operations.
#[derive(Clone)]
pub struct DocumentedQueries(Arc<Vec<DocumentedOperation>>);

struct DocumentedOperation {
    method: Method,
    pattern: PathPattern,
    /// Whether it has no query parameters, and leaves it to this module to refuse them.
    refuses_queries: bool,
    is_public: bool,
}

impl DocumentedQueries {
    /// Reads the operations of the document.
    #[must_use]
    pub fn from_document(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        let operations = paths.flat_map(|(path, item)| {
            operations(item).map(move |(method, operation)| DocumentedOperation {
                method,
                pattern: PathPattern::parse(path),
                refuses_queries: !has_query_parameters(operation) && !has_form(operation),
                is_public: is_public(operation),
            })
        });
        Self(Arc::new(operations.collect()))
    }

    /// The operation that handles the request, if it has no query parameters.
    fn find_without_parameters(&self, method: &Method, path: &str) -> Option<&DocumentedOperation> {
        let matching = self.0.iter();
        let matching =
            matching.filter(|known| known.method == *method && known.pattern.matches(path));
        let found = matching.min_by_key(|known| known.pattern.parameter_count())?;
        found.refuses_queries.then_some(found)
    }
}

/// The query of the request is not allowed. The proofs of authentication and permission refuse it, so that it is not reported
/// to a caller who may not use the operation at all.
struct UnexpectedQuery;

/// Refuses, or marks, a request with a query that its operation does not have.
///
/// # Errors
/// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) if the operation needs no authentication.
pub async fn refuse_unexpected_query<B: MessageBody>(
    documented: DocumentedQueries,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let query = request.query_string();
    if !query.is_empty() && request.path().starts_with(API_PREFIX) {
        match documented.find_without_parameters(request.method(), request.path()) {
            Some(operation) if operation.is_public => {
                return Err(no_parameters_allowed(query).into());
            }
            Some(_) => drop(request.extensions_mut().insert(UnexpectedQuery)),
            None => {}
        }
    }
    next.call(request).await
}

/// Checks that the request has no query that was marked by [`refuse_unexpected_query`].
///
/// # Errors
/// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid).
pub fn check_query(request: &HttpRequest) -> Result<(), AppError> {
    if request.extensions().get::<UnexpectedQuery>().is_some() {
        Err(no_parameters_allowed(request.query_string()))
    } else {
        Ok(())
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// Whether the body is a form: OAuth operations refuse a query themselves, with an error of another form.
fn has_form(operation: &Operation) -> bool {
    let has_form_content = |body: &RefOr<RequestBody>| match body {
        RefOr::T(body) => body
            .content
            .contains_key("application/x-www-form-urlencoded"),
        RefOr::Ref(_) => false,
    };
    operation
        .request_body
        .as_ref()
        .is_some_and(has_form_content)
}

fn has_query_parameters(operation: &Operation) -> bool {
    let is_query =
        |parameter: &RefOr<_>| matches!(parameter, RefOr::T(parameter) if in_query(parameter));
    operation.parameters.iter().flatten().any(is_query)
}

fn in_query(parameter: &utoipa::openapi::path::Parameter) -> bool {
    matches!(parameter.parameter_in, ParameterIn::Query)
}

/// Whether no credential is needed, or another one than the bearer token: then no proof is extracted.
fn is_public(operation: &Operation) -> bool {
    let is_bearer = |requirement: &_| {
        serde_json::to_value(requirement)
            .is_ok_and(|value: serde_json::Value| value.get("bearer").is_some())
    };
    let requirements = operation.security.as_ref();
    !requirements.is_some_and(|all| !all.is_empty() && all.iter().all(is_bearer))
}
