//! The error codes of each operation, with an example of each. Codes that follow from a status are listed here; all others,
//! and their examples, were recorded by the integration tests from a running service, in `openapi/errors.json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr, Response};

use super::operation_defaults::operations_mut;
use crate::platform::error::Code;
use crate::platform::http::problem::status_of;

/// By operation and code.
type RecordedProblems = BTreeMap<String, BTreeMap<String, Value>>;

const RECORDED: &str = include_str!("../../../openapi/errors.json");
const PROBLEM_JSON: &str = "application/problem+json";

/// Adds the codes of each operation to its description and as `x-codes`, and the examples to its responses.
pub fn add_to(document: &mut OpenApi) {
    let recorded: RecordedProblems = serde_json::from_str(RECORDED).unwrap_or_default();
    let components = document.components.clone().unwrap_or_default();
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        let own = operation
            .operation_id
            .as_ref()
            .and_then(|id| recorded.get(id));
        let codes = codes(operation, own);
        if codes.is_empty() {
            continue;
        }
        describe(operation, &codes);
        for (status, response) in &mut operation.responses.responses {
            let examples: Vec<(Code, Value)> = codes
                .iter()
                .filter(|code| status_of(code.category()).as_str() == status)
                .map(|code| (*code, example(*code, own, &recorded)))
                .collect();
            if examples.is_empty() {
                continue;
            }
            if let RefOr::Ref(reference) = response
                && let Some(name) = reference.ref_location.rsplit('/').next()
                && let Some(RefOr::T(shared)) = components.responses.get(name)
            {
                *response = RefOr::T(shared.clone());
            }
            if let RefOr::T(response) = response {
                add_examples(response, examples);
            }
        }
    }
}

/// The codes that the operation can answer with, in the order of [`Code::ALL`].
fn codes(operation: &Operation, recorded: Option<&BTreeMap<String, Value>>) -> Vec<Code> {
    let is_problem = |response: &RefOr<Response>| match response {
        RefOr::Ref(reference) => !reference.ref_location.ends_with("/OAuthError"),
        RefOr::T(response) => response.content.contains_key(PROBLEM_JSON),
    };
    let needs_token = operation
        .security
        .as_ref()
        .is_some_and(|schemes| !schemes.is_empty());
    let is_listed = |code: &&Code| {
        let status = status_of(code.category());
        let response = operation.responses.responses.get(status.as_str());
        let is_documented = response.is_some_and(is_problem);
        is_documented
            && (follows_from_status(**code, needs_token)
                || recorded.is_some_and(|recorded| recorded.contains_key(code.as_str())))
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

/// The recorded example of this operation, or that of another one. No test causes an internal error, so it has no recorded one.
fn example(
    code: Code,
    own: Option<&BTreeMap<String, Value>>,
    recorded: &RecordedProblems,
) -> Value {
    let name = code.as_str();
    let of_any = || recorded.values().find_map(|problems| problems.get(name));
    let recorded = own.and_then(|problems| problems.get(name)).or_else(of_any);
    recorded.cloned().unwrap_or_else(|| {
        json!({
            "type": format!("urn:rosterd:problem:{name}"),
            "title": code.title(),
            "status": status_of(code.category()).as_u16(),
            "detail": code.title(),
            "code": name,
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "errors": [],
        })
    })
}

fn add_examples(response: &mut Response, examples: Vec<(Code, Value)>) {
    let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM_JSON) else {
        return;
    };
    for (code, value) in examples {
        let example = ExampleBuilder::new()
            .summary(code.title())
            .value(Some(value));
        content
            .examples
            .insert(code.as_str().to_owned(), RefOr::T(example.build()));
    }
}
