//! The error codes of each operation, with an example of each. Codes that follow from a status are listed here; all others,
//! and their examples, were recorded by the integration tests from a running service, in `openapi/errors.json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Components, OpenApi, Ref, RefOr, Response};

use super::operation_defaults::operations_mut;
use crate::platform::error::Code;
use crate::platform::http::problem::status_of;

/// Problems by code.
type Problems = BTreeMap<String, Value>;

/// The recorded problems, by operation and code.
const RECORDED: &str = include_str!("../../../openapi/errors.json");
const PROBLEM_JSON: &str = "application/problem+json";

/// Adds the codes of each operation to its description and as `x-codes`, and an example of each code to its responses.
pub fn add_to(document: &mut OpenApi) {
    let recorded: BTreeMap<String, Problems> = serde_json::from_str(RECORDED).unwrap_or_default();
    let shared = shared_examples(&recorded);
    let components = document.components.get_or_insert_default();
    let none = Problems::new();
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        let id = operation.operation_id.as_ref();
        let own = id.and_then(|id| recorded.get(id)).unwrap_or(&none);
        let codes = codes(operation, own);
        if codes.is_empty() {
            continue;
        }
        describe(operation, &codes);
        for (status, response) in &mut operation.responses.responses {
            let codes: Vec<Code> = codes
                .iter()
                .copied()
                .filter(|code| status_of(code.category()).as_str() == status)
                .collect();
            if codes.is_empty() {
                continue;
            }
            let is_own = |code: &Code| {
                let example = own.get(code.as_str());
                example.is_some_and(|example| shared.get(code.as_str()) != Some(example))
            };
            for name in codes
                .iter()
                .filter(|code| !is_own(code))
                .map(|code| code.as_str())
            {
                if let Some(problem) = shared.get(name) {
                    let example = RefOr::T(example(problem));
                    components.examples.insert(name.to_owned(), example);
                }
            }
            let mut with_examples = resolved(response, components);
            add_examples(&mut with_examples, &codes, |code| {
                own.get(code.as_str()).filter(|_| is_own(&code))
            });
            *response = match shared_response_name(&codes) {
                Some(name) if !codes.iter().any(is_own) => {
                    let responses = &mut components.responses;
                    responses.insert(name.to_owned(), RefOr::T(with_examples));
                    RefOr::Ref(Ref::from_response_name(name))
                }
                _ => RefOr::T(with_examples),
            };
        }
    }
}

/// One example for each code. No test causes some of the errors, so these have no recorded example.
fn shared_examples(recorded: &BTreeMap<String, Problems>) -> Problems {
    let example = |code: &Code| {
        let name = code.as_str();
        let recorded = recorded.values().find_map(|problems| problems.get(name));
        let problem = recorded.cloned().unwrap_or_else(|| {
            json!({
                "type": format!("urn:rosterd:problem:{name}"),
                "title": code.title(),
                "status": status_of(code.category()).as_u16(),
                "detail": code.title(),
                "code": name,
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                "errors": [],
            })
        });
        (name.to_owned(), problem)
    };
    Code::ALL.iter().map(example).collect()
}

/// The codes that the operation can answer with, in the order of [`Code::ALL`].
fn codes(operation: &Operation, own: &Problems) -> Vec<Code> {
    let is_problem = |response: &RefOr<Response>| match response {
        RefOr::Ref(reference) => !reference.ref_location.ends_with("/OAuthError"),
        RefOr::T(response) => response.content.contains_key(PROBLEM_JSON),
    };
    let schemes = operation.security.as_deref().unwrap_or_default();
    let is_listed = |code: &&Code| {
        let status = status_of(code.category());
        let response = operation.responses.responses.get(status.as_str());
        response.is_some_and(is_problem)
            && (follows_from_status(**code, !schemes.is_empty()) || own.contains_key(code.as_str()))
    };
    Code::ALL.iter().filter(is_listed).copied().collect()
}

/// Whether every operation with the status of this code can answer with it.
const fn follows_from_status(code: Code, needs_token: bool) -> bool {
    match code {
        Code::RequestInvalid
        | Code::NotFound
        | Code::RequestTimeout
        | Code::PreconditionFailed
        | Code::PayloadTooLarge
        | Code::UnsupportedMediaType
        | Code::IdempotencyKeyReused
        | Code::RateLimited
        | Code::Overloaded
        | Code::DatabaseUnavailable
        | Code::StorageFull
        | Code::Internal => true,
        Code::AuthRequired | Code::AuthTokenInvalid => needs_token,
        _ => false,
    }
}

/// The name of the response with exactly these codes, which many operations have.
fn shared_response_name(codes: &[Code]) -> Option<&'static str> {
    match codes {
        [Code::RequestInvalid] => Some("InvalidRequest"),
        [Code::AuthRequired, Code::AuthTokenInvalid] => Some("InvalidAccessToken"),
        [Code::PermissionRequired] => Some("PermissionRequired"),
        [Code::NotFound] => Some("NotFound"),
        [Code::RequestTimeout] => Some("RequestTimeout"),
        [Code::PreconditionFailed] => Some("PreconditionFailed"),
        [Code::PayloadTooLarge] => Some("PayloadTooLarge"),
        [Code::UnsupportedMediaType] => Some("UnsupportedMediaType"),
        [Code::IdempotencyKeyReused] => Some("IdempotencyKeyReused"),
        [Code::RateLimited] => Some("RateLimited"),
        [Code::Internal] => Some("InternalError"),
        [
            Code::Overloaded,
            Code::DatabaseUnavailable,
            Code::StorageFull,
        ] => Some("Unavailable"),
        _ => None,
    }
}

fn describe(operation: &mut Operation, codes: &[Code]) {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let extensions = ExtensionsBuilder::new()
        .add("x-codes", json!(names))
        .build();
    operation.extensions = Some(extensions);
    let list = format!("Error codes: `{}`.", names.join("`, `"));
    let description = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{description}\n\n{list}").trim_start().to_owned());
}

/// The response itself instead of a reference to it.
fn resolved(response: &RefOr<Response>, components: &Components) -> Response {
    match response {
        RefOr::T(response) => response.clone(),
        RefOr::Ref(reference) => {
            let name = reference
                .ref_location
                .rsplit('/')
                .next()
                .unwrap_or_default();
            match components.responses.get(name) {
                Some(RefOr::T(response)) => response.clone(),
                _ => Response::default(),
            }
        }
    }
}

/// Adds the operation's own example of each code, or else a reference to the shared one.
fn add_examples<'v>(
    response: &mut Response,
    codes: &[Code],
    own: impl Fn(Code) -> Option<&'v Value>,
) {
    let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM_JSON) else {
        return;
    };
    for code in codes {
        let name = code.as_str();
        let example = match own(*code) {
            Some(problem) => RefOr::T(example(problem)),
            None => RefOr::Ref(Ref::new(format!("#/components/examples/{name}"))),
        };
        content.examples.insert(name.to_owned(), example);
    }
}

fn example(problem: &Value) -> Example {
    ExampleBuilder::new().value(Some(problem.clone())).build()
}
