//! The OpenAPI document: it is current and complete, and client generators can use it.

use std::collections::BTreeSet;

use rosterd::platform::error::Code;
use rosterd::platform::http::problem::status_of;
use serde_json::{Value, json};

use crate::support::{Operation, document, operations};

#[test]
fn checked_in_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(
        checked_in == rosterd::server::openapi::text(),
        "openapi/openapi.json is out of date: make docs"
    );
}

#[test]
fn document_lists_every_error_code() {
    let document = document();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        document["components"]["schemas"]["ProblemCode"]["anyOf"],
        json!([{"type": "string", "enum": codes}, {"type": "string"}])
    );
    let code = &document["components"]["schemas"]["Problem"]["properties"]["code"];
    assert_eq!(code["$ref"], "#/components/schemas/ProblemCode");
}

#[test]
fn guide_explains_every_error_code_with_its_status() {
    let guide = include_str!("../../../docs/errors.md");
    for code in Code::ALL {
        let status = status_of(code.category()).as_u16();
        let row = format!("\n| `{}` | {status} | ", code.as_str());
        assert_eq!(guide.matches(&row).count(), 1, "{}", code.as_str());
    }
}

#[test]
fn every_operation_lists_its_error_codes_with_examples() {
    for operation in operations() {
        if operation.path.contains("/oauth/") {
            continue;
        }
        let codes = operation.definition["x-codes"].as_array().unwrap();
        for code in codes {
            let code = code.as_str().unwrap();
            let known = Code::ALL.iter().find(|known| known.as_str() == code);
            let status = status_of(known.unwrap().category());
            let response = &operation.definition["responses"][status.as_str()];
            let response = match response["$ref"].as_str() {
                Some(pointer) => document().pointer(pointer.trim_start_matches('#')).unwrap(),
                None => response,
            };
            let example = &response["content"]["application/problem+json"]["examples"][code];
            let example = match example["$ref"].as_str() {
                Some(pointer) => document().pointer(pointer.trim_start_matches('#')).unwrap(),
                None => example,
            };
            assert_eq!(example["value"]["code"], code, "{}", operation.id);
        }
    }
}

#[test]
fn every_operation_has_an_id_a_tag_and_a_summary() {
    let document = document();
    let tags: Vec<&Value> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    let mut names = BTreeSet::new();
    for Operation { id, definition, .. } in operations() {
        let is_camel_case = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(is_camel_case, "{id:?}");
        assert!(
            !definition["summary"].as_str().unwrap().ends_with('.'),
            "{id}"
        );
        let [tag] = definition["tags"].as_array().unwrap().as_slice() else {
            panic!("{id} must have exactly one tag");
        };
        assert!(tags.contains(&tag), "{id}: {tag} is not declared");
        assert!(names.insert(id.clone()), "{id} twice");
    }
}

/// The public operations are listed in `invariants/operation_permissions.rs`.
#[test]
fn every_non_public_operation_requires_a_bearer_token() {
    for Operation {
        id,
        is_public,
        definition,
        ..
    } in operations()
    {
        let requires_bearer = definition["security"] == json!([{"bearer": []}]);
        assert!(requires_bearer != *is_public, "{id}");
    }
    let scheme = &document()["components"]["securitySchemes"]["bearer"];
    assert_eq!(scheme["type"], "http");
    assert_eq!(scheme["scheme"], "bearer");
}

#[test]
fn every_reference_resolves() {
    let document = document();
    visit_members(document, &mut |member, value| {
        if member == "$ref" {
            let target = value.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(document.pointer(target).is_some(), "{target}");
        }
    });
}

#[test]
fn path_parameters_match_the_path_template() {
    for operation in operations() {
        let template_parameters: BTreeSet<String> = operation
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(str::to_owned)
            .collect();
        let mut path_parameters = BTreeSet::new();
        let mut names = BTreeSet::new();
        for parameter in parameters(operation) {
            let name = parameter["name"].as_str().unwrap().to_owned();
            assert!(!parameter["schema"].is_null() && !parameter["in"].is_null());
            if parameter["in"] == "path" {
                assert_eq!(parameter["required"], true);
                path_parameters.insert(name.clone());
            }
            assert!(parameter["description"].is_string(), "{name}");
            assert!(
                names.insert(name.clone()),
                "{name} twice at {}",
                operation.id
            );
        }
        assert_eq!(path_parameters, template_parameters, "{}", operation.path);
    }
}

/// The parameters of an operation, with references resolved.
fn parameters(operation: &Operation) -> Vec<Value> {
    let document = document();
    let resolve = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(pointer) => document.pointer(pointer.trim_start_matches('#')).cloned(),
        None => Some(parameter.clone()),
    };
    let declared_parameters = operation.definition["parameters"].as_array().into_iter();
    declared_parameters.flatten().filter_map(resolve).collect()
}

#[test]
fn success_and_error_responses_use_the_common_schemas() {
    let document = document();
    for Operation {
        id,
        definition,
        path,
        ..
    } in operations()
    {
        let responses = definition["responses"].as_object().unwrap();
        let is_oauth = path.contains("oauth");
        let is_success = |status: &&String| status.starts_with('2');
        assert_eq!(responses.keys().filter(is_success).count(), 1, "{id}");
        for (status, response) in responses {
            let response = match response["$ref"].as_str() {
                Some(pointer) => document.pointer(pointer.trim_start_matches('#')).unwrap(),
                None => response,
            };
            assert!(response["description"].is_string(), "{id} {status}");
            let content = &response["content"];
            match status.as_str() {
                "202" | "204" | "304" => assert!(content.is_null(), "{id} {status}"),
                // A JWK set has its own schema, and forward authentication responds with headers only.
                "200" if id == "getJwks" || id == "verifyCaller" => {}
                // One result line for each input line.
                "200" if id == "importUsers" => assert_eq!(
                    content["application/x-ndjson"]["schema"]["$ref"],
                    "#/components/schemas/ImportResult"
                ),
                // Not checked: RFC 6749, 7662 and 8414 define these response bodies.
                "200" if is_oauth => {}
                _ if path.contains("/oauth/") => assert_eq!(
                    content["application/json"]["schema"]["$ref"],
                    "#/components/schemas/OAuthError"
                ),
                "200" | "201" => {
                    let schema = &content["application/json"]["schema"]["$ref"];
                    let name = schema.as_str().unwrap().rsplit('/').next().unwrap();
                    let has_form = name.ends_with("Response") || name.ends_with("Page");
                    assert!(has_form, "{id} answers {name}");
                }
                _ => assert_eq!(
                    content["application/problem+json"]["schema"]["$ref"],
                    "#/components/schemas/Problem"
                ),
            }
        }
    }
}

#[test]
fn request_schemas_are_closed_and_response_members_are_required() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let request_schemas = reachable_schemas(document, "requestBody");
    let response_schemas = reachable_schemas(document, "responses");
    for (name, schema) in schemas {
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        // The OAuth standards define the members and require that unknown members are ignored.
        if name.starts_with("OAuth") {
            continue;
        }
        if request_schemas.contains(name) {
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
        for (member, property) in properties {
            let label = format!("{name}.{member}");
            let is_camel_case = member.chars().all(|c| c.is_ascii_alphanumeric());
            // The name is that of the draft for rate limit problems.
            assert!(is_camel_case || member == "violated-policies", "{label}");
            assert_ne!(property.get("default"), Some(&Value::Null), "{label}");
            let text = property.to_string();
            let is_nullable = text.contains(r#""null"]"#) || text.contains(r#"{"type":"null"}"#);
            let required = schema["required"].as_array().unwrap_or(&Vec::new()).clone();
            if response_schemas.contains(name) && !request_schemas.contains(name) && is_nullable {
                assert!(required.contains(&json!(member)), "{label} is not required");
            }
        }
    }
}

/// The names of all schemas that are reachable from this part of the operations.
fn reachable_schemas(document: &Value, part: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut queue: Vec<Value> = operations()
        .iter()
        .map(|operation| operation.definition[part].clone())
        .collect();
    while let Some(value) = queue.pop() {
        visit_members(&value, &mut |member, target| {
            if member == "$ref" {
                let pointer = target.as_str().unwrap().trim_start_matches('#');
                if found.insert(pointer.rsplit('/').next().unwrap().to_owned()) {
                    queue.push(document.pointer(pointer).unwrap().clone());
                }
            }
        });
    }
    found
}

#[test]
fn descriptions_contain_no_source_references() {
    visit_members(document(), &mut |member, value| {
        if let (true, Some(text)) = (matches!(member, "description" | "summary"), value.as_str()) {
            for word in ["[`", "](", "::", "crate", "TODO"] {
                assert!(!text.contains(word), "{text:?}");
            }
        }
    });
}

/// Calls `visit` with every member of every object in `value`.
fn visit_members(value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(name, member);
                visit_members(member, visit);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit_members(item, visit)),
        _ => {}
    }
}
