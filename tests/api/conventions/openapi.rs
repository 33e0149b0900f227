//! The API document: it is the one that is checked in, it leaves nothing out, and a generator of clients can rely on its
//! form.

use std::collections::BTreeSet;

use rosterd::platform::error::Code;
use serde_json::{Value, json};

use crate::support::{Operation, document, operations};

#[test]
fn the_document_that_is_checked_in_is_the_one_that_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(
        checked_in == rosterd::server::openapi::text(),
        "openapi/openapi.json is out of date: make docs"
    );
}

#[test]
fn every_code_is_in_the_document() {
    let document = document();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        document["components"]["schemas"]["ProblemCode"]["enum"],
        json!(codes)
    );
    let code = &document["components"]["schemas"]["Problem"]["properties"]["code"];
    assert_eq!(code["$ref"], "#/components/schemas/ProblemCode");
}

#[test]
fn every_operation_has_a_name_a_tag_and_a_summary() {
    let document = document();
    let tags: Vec<&Value> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    let mut names = BTreeSet::new();
    for Operation { id, said, .. } in operations() {
        let is_camel_case = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(is_camel_case, "{id:?}");
        assert!(said["summary"].as_str().unwrap().ends_with('.'), "{id}");
        let [tag] = said["tags"].as_array().unwrap().as_slice() else {
            panic!("{id} has not one tag");
        };
        assert!(tags.contains(&tag), "{id}: {tag} is not introduced");
        assert!(names.insert(id.clone()), "{id} twice");
    }
}

/// Which are the public ones is in `access.rs`.
#[test]
fn every_operation_but_the_public_ones_asks_for_a_bearer_token() {
    for Operation {
        id,
        is_public,
        said,
        ..
    } in operations()
    {
        let asks = said["security"] == json!([{"bearer": []}]);
        assert!(asks != *is_public, "{id}");
    }
    let scheme = &document()["components"]["securitySchemes"]["bearer"];
    assert_eq!(scheme["type"], "http");
    assert_eq!(scheme["scheme"], "bearer");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    each(document, &mut |member, value| {
        if member == "$ref" {
            let target = value.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(document.pointer(target).is_some(), "{target}");
        }
    });
}

#[test]
fn the_parameters_of_a_path_are_those_in_its_braces() {
    for operation in operations() {
        let in_braces: BTreeSet<String> = operation
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(str::to_owned)
            .collect();
        let mut declared = BTreeSet::new();
        let mut all = BTreeSet::new();
        for parameter in parameters(operation) {
            let name = parameter["name"].as_str().unwrap().to_owned();
            assert!(!parameter["schema"].is_null() && !parameter["in"].is_null());
            if parameter["in"] == "path" {
                assert_eq!(parameter["required"], true);
                declared.insert(name.clone());
            } else {
                assert!(parameter["description"].is_string(), "{name}");
            }
            assert!(all.insert(name.clone()), "{name} twice at {}", operation.id);
        }
        assert_eq!(declared, in_braces, "{}", operation.path);
    }
}

/// The parameters of an operation, whether they stand at it or among the components.
fn parameters(operation: &Operation) -> Vec<Value> {
    let document = document();
    let resolve = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(at) => document.pointer(at.trim_start_matches('#')).cloned(),
        None => Some(parameter.clone()),
    };
    let at_it = operation.said["parameters"].as_array().into_iter();
    at_it.flatten().filter_map(resolve).collect()
}

#[test]
fn every_success_has_one_form_and_every_failure_another() {
    let document = document();
    for Operation { id, said, path, .. } in operations() {
        let responses = said["responses"].as_object().unwrap();
        let is_oauth = path.contains("oauth");
        let is_success = |status: &&String| status.starts_with('2');
        assert_eq!(responses.keys().filter(is_success).count(), 1, "{id}");
        for (status, response) in responses {
            let response = match response["$ref"].as_str() {
                Some(at) => document.pointer(at.trim_start_matches('#')).unwrap(),
                None => response,
            };
            assert!(response["description"].is_string(), "{id} {status}");
            let content = &response["content"];
            match status.as_str() {
                "202" | "204" | "304" => assert!(content.is_null(), "{id} {status}"),
                // A key set has a form of its own, and a proxy reads headers.
                "200" if id == "getJwks" || id == "verifyCaller" => {}
                // A line for each line.
                "200" if id == "importUsers" => assert_eq!(
                    content["application/x-ndjson"]["schema"]["$ref"],
                    "#/components/schemas/ImportResult"
                ),
                // In the words of RFC 6749 and its like.
                "200" if is_oauth => {}
                _ if path.contains("/oauth/") => assert_eq!(
                    content["application/json"]["schema"]["$ref"],
                    "#/components/schemas/OAuthError"
                ),
                "200" | "201" => {
                    let schema = &content["application/json"]["schema"]["$ref"];
                    let name = schema.as_str().unwrap().rsplit('/').next().unwrap();
                    let has_form = name.starts_with("Data_") || name.starts_with("Page_");
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
fn what_is_sent_has_no_unknown_members_and_what_is_answered_leaves_none_out() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let sent = referred_to(document, "requestBody");
    let answered = referred_to(document, "responses");
    for (name, schema) in schemas {
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        // Their standards name the members, and what is unknown is ignored.
        if name.starts_with("OAuth") {
            continue;
        }
        if sent.contains(name) {
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
        for (member, property) in properties {
            let label = format!("{name}.{member}");
            let is_camel_case = member.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_camel_case, "{label}");
            assert_ne!(property.get("default"), Some(&Value::Null), "{label}");
            let text = property.to_string();
            let is_nullable = text.contains(r#""null"]"#) || text.contains(r#"{"type":"null"}"#);
            let required = schema["required"].as_array().unwrap_or(&Vec::new()).clone();
            if answered.contains(name) && !sent.contains(name) && is_nullable {
                assert!(required.contains(&json!(member)), "{label} may be missing");
            }
        }
    }
}

/// The schemas that a part of the operations leads to.
fn referred_to(document: &Value, part: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<Value> = operations()
        .iter()
        .map(|operation| operation.said[part].clone())
        .collect();
    while let Some(value) = waiting.pop() {
        each(&value, &mut |member, target| {
            if member == "$ref" {
                let at = target.as_str().unwrap().trim_start_matches('#');
                if found.insert(at.rsplit('/').next().unwrap().to_owned()) {
                    waiting.push(document.pointer(at).unwrap().clone());
                }
            }
        });
    }
    found
}

#[test]
fn nothing_in_it_is_meant_for_readers_of_the_source() {
    each(document(), &mut |member, value| {
        if let (true, Some(text)) = (matches!(member, "description" | "summary"), value.as_str()) {
            for word in ["[`", "](", "::", "crate", "TODO"] {
                assert!(!text.contains(word), "{text:?}");
            }
        }
    });
}

/// Calls `with` for every member of every object in `value`.
fn each(value: &Value, with: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                with(name, member);
                each(member, with);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, with)),
        _ => {}
    }
}
