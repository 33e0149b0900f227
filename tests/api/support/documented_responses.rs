//! Compares each response that a test receives with the OpenAPI document: status, media type, headers, body and error code.
//! With `UPDATE=1`, undocumented codes are added to `openapi/errors.json`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::golden_file::is_updating;
use super::http_client::Response;
use super::operations::{Operation, document, operations};

/// Headers that any response can have. Proxies add `server`.
const COMMON_HEADERS: [&str; 21] = [
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "pragma",
    "referrer-policy",
    "server",
    "strict-transport-security",
    "traceparent",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// Statuses that any operation can answer before it is reached.
const COMMON_STATUSES: [u16; 2] = [414, 431];

/// Panics if the document does not describe this response to a request with `method` at `path`. Paths and methods that are not in
/// the document are not checked.
#[track_caller]
pub fn assert_documented(method: &str, path: &str, response: &Response) {
    let Some(operation) = find_operation(method, path) else {
        return;
    };
    if COMMON_STATUSES.contains(&response.status) {
        return;
    }
    if let Err(difference) = compare(operation, response) {
        panic!(
            "{} answers {} in an undocumented way: {difference}\n{:?}\n{}",
            operation.id, response.status, response.headers, response.text
        );
    }
}

fn find_operation(method: &str, path: &str) -> Option<&'static Operation> {
    operations()
        .iter()
        .filter(|operation| operation.method == method)
        .filter_map(|operation| Some((equal_parts(&operation.path, path)?, operation)))
        .max_by_key(|(equal_parts, _)| *equal_parts)
        .map(|(_, operation)| operation)
}

/// The number of parts that are the same in the path and the template; `None` if the template does not match.
fn equal_parts(template: &str, path: &str) -> Option<usize> {
    let mut parts = path.split('/');
    let mut equal = 0;
    for expected in template.split('/') {
        match parts.next()? {
            part if part == expected => equal += 1,
            part if expected.starts_with('{') && !part.is_empty() => {}
            _ => return None,
        }
    }
    parts.next().is_none().then_some(equal)
}

fn compare(operation: &'static Operation, response: &Response) -> Result<(), String> {
    let documented = &operation.definition["responses"][response.status.to_string()];
    let documented = resolve(documented);
    if documented.is_null() {
        return Err("the status is not documented".to_owned());
    }
    for name in response.headers.keys() {
        let is_documented = documented["headers"].as_object().is_some_and(|headers| {
            headers
                .keys()
                .any(|known| known.eq_ignore_ascii_case(name.as_str()))
        });
        if !is_documented && !COMMON_HEADERS.contains(&name.as_str()) {
            return Err(format!("the header {name} is not documented"));
        }
    }
    let Some(content) = documented["content"].as_object() else {
        return match response.text.as_str() {
            "" => Ok(()),
            _ => Err("the document has no body".to_owned()),
        };
    };
    let media_type = response.header("content-type");
    let media_type = media_type.split(';').next().unwrap_or_default();
    let Some(content) = content.get(media_type) else {
        return Err(format!("the media type {media_type:?} is not documented"));
    };
    let validator = validator(&content["schema"]);
    let bodies: Vec<Value> = match media_type {
        "application/x-ndjson" => response.text.lines().map(parse_line).collect(),
        _ => vec![response.body.clone()],
    };
    for body in &bodies {
        let errors = validator.iter_errors(body);
        let errors: Vec<String> = errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if !errors.is_empty() {
            return Err(errors.join("; "));
        }
    }
    match media_type {
        "application/problem+json" => compare_code(operation, &response.body),
        _ => Ok(()),
    }
}

fn parse_line(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or(Value::Null)
}

/// Checks that the code of a problem is among the `x-codes` of the operation.
fn compare_code(operation: &Operation, problem: &Value) -> Result<(), String> {
    let code = problem["code"].as_str().unwrap_or_default();
    let codes = operation.definition["x-codes"].as_array();
    if codes.is_some_and(|codes| codes.contains(&json!(code))) {
        return Ok(());
    }
    if record(operation, code, problem) {
        return Ok(());
    }
    Err(format!("the code {code} is not documented"))
}

/// With `UPDATE=1`, adds the problem to the examples from which the document is made.
fn record(operation: &Operation, code: &str, problem: &Value) -> bool {
    static FILE: Mutex<()> = Mutex::new(());
    if !is_updating() {
        return false;
    }
    let _lock = FILE.lock().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/errors.json");
    let mut recorded: Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let example = &mut recorded[&operation.id][code];
    if example.is_null() {
        *example = problem.clone();
        example["traceId"] = json!("4bf92f3577b34da6a3ce929d0e0e4736");
        if !example["changeToken"].is_null() {
            example["changeToken"] =
                json!("eyJ0eXAiOiJjaGFuZ2Urand0IiwiYWxnIjoiRVMyNTYifQ.e30.c2lnbmF0dXJl");
        }
        let text = serde_json::to_string_pretty(&recorded).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    true
}

fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(pointer) => document()
            .pointer(pointer.trim_start_matches('#'))
            .unwrap_or(&Value::Null),
        None => value,
    }
}

/// The validator of a schema of the document.
fn validator(schema: &Value) -> Arc<Validator> {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let mut validators = VALIDATORS.get_or_init(Mutex::default).lock().unwrap();
    let key = schema.to_string();
    if let Some(validator) = validators.get(&key) {
        return Arc::clone(validator);
    }
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": {"schemas": closed_schemas()},
        "allOf": [schema],
    });
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&whole)
        .unwrap();
    let validator = Arc::new(validator);
    validators.insert(key, Arc::clone(&validator));
    validator
}

/// The schemas without what is left open for later additions: unknown members, and unknown values of an enumeration.
fn closed_schemas() -> &'static Value {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let mut schemas = document()["components"]["schemas"].clone();
        close(&mut schemas);
        schemas
    })
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object)
                && members.contains_key("type")
            {
                members
                    .entry("additionalProperties")
                    .or_insert(Value::Bool(false));
            }
            if let Some(Value::Array(variants)) = members.get_mut("anyOf") {
                variants.truncate(1);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
