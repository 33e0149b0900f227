//! Query parameters: unknown ones are refused, and every list has the same parameters for its pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Operation, Response, TestApp, operations};

const UNKNOWN_ID: &str = "00000000-0000-0000-0000-000000000000";

fn path_of(operation: &Operation) -> String {
    let replace = |part: &'_ str| -> String {
        if part.starts_with('{') {
            UNKNOWN_ID.to_owned()
        } else {
            part.to_owned()
        }
    };
    let parts: Vec<String> = operation.path.split('/').map(replace).collect();
    parts.join("/")
}

/// The detail of the error about the parameter.
fn parameter_error(response: &Response, name: &str) -> Option<String> {
    let errors = response.body["errors"].as_array()?;
    let pointer = format!("?{name}");
    let error = errors.iter().find(|error| error["pointer"] == pointer)?;
    assert_eq!(error["code"], "unknown_parameter");
    Some(error["detail"].as_str().unwrap().to_owned())
}

#[test]
fn every_operation_refuses_unknown_query_parameters_and_lists_the_known_ones() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let mut checked = 0;
    for operation in operations() {
        if !operation.path.starts_with("/api/v1/") || operation.path.contains("/oauth/") {
            continue;
        }
        let path = format!("{}?bogus=1", path_of(operation));
        let request = app.call(&operation.method, &path).bearer(&admin);
        let response = request.send().expect(400);
        // A missing body can be reported first by operations that have parameters.
        let Some(detail) = parameter_error(&response, "bogus") else {
            assert!(
                operation.definition["requestBody"].is_object() || operation.id == "importUsers",
                "{}: {}",
                operation.id,
                response.text
            );
            continue;
        };
        let parameters = operation.definition["parameters"].as_array();
        for parameter in parameters.into_iter().flatten() {
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap();
                assert!(detail.contains(name), "{}: {detail}", operation.id);
            }
        }
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
    // Authentication and permission are reported first.
    let (_, powerless) = app.create_signed_in_user("User", &[]);
    let path = "/api/v1/roles/User?bogus=1";
    app.get(path).send().expect_problem(401, "auth_required");
    let refused = app.get(path).bearer(&powerless).send();
    refused.expect_problem(403, "permission_required");
    let login = app.post("/api/v1/auth/login?next=/home");
    let login = login.json(&json!({})).send().expect(400);
    assert_eq!(
        parameter_error(&login, "next").unwrap(),
        "is not a supported parameter: there are none"
    );
}

#[test]
fn every_list_is_read_in_pages() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for name in ["first", "second", "third"] {
        app.create_role(name, 7, &[]);
        let body = json!({"name": name, "permissions": []});
        let created = app.post("/api/v1/auth/tokens").bearer(&admin).json(&body);
        created.send().expect(201);
    }
    let me = app.get("/api/v1/auth/me").bearer(&admin).send().expect(200);
    let id = me.data()["id"].as_str().unwrap().to_owned();
    let lists = [
        ("/api/v1/permissions".to_owned(), 20),
        ("/api/v1/roles".to_owned(), 6),
        ("/api/v1/auth/tokens".to_owned(), 3),
        (format!("/api/v1/users/{id}/tokens"), 3),
    ];
    for (path, count) in lists {
        let get = |query: &str| app.get(&format!("{path}?{query}")).bearer(&admin).send();
        let whole = get("limit=200&count=true").expect(200);
        let all = whole.data().as_array().unwrap();
        assert_eq!(all.len(), count, "{path}");
        assert_eq!(
            whole.body["page"],
            json!({"next": null, "limit": 200, "total": count})
        );
        let mut read: Vec<Value> = Vec::new();
        let mut query = "limit=2".to_owned();
        loop {
            let page = get(&query).expect(200);
            assert!(page.data().as_array().unwrap().len() <= 2, "{path}");
            read.extend(page.data().as_array().unwrap().iter().cloned());
            match page.body["page"]["next"].as_str() {
                Some(next) => query = format!("limit=2&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(&read, all, "{path}");
        get("limit=0").expect_field_error("?limit", "out_of_range");
        get("cursor=x").expect(400);
    }
}

#[test]
fn all_lists_document_the_same_page_parameters() {
    for operation in operations() {
        let response = &operation.definition["responses"]["200"]["content"]["application/json"];
        let schema = response["schema"]["$ref"].as_str().unwrap_or_default();
        if !schema.ends_with("Page") || operation.id == "listRevocations" {
            continue;
        }
        let parameters = operation.definition["parameters"].as_array().unwrap();
        let names = parameters
            .iter()
            .filter_map(|parameter| parameter["name"].as_str());
        let names: BTreeSet<&str> = names.collect();
        for name in ["limit", "cursor", "count"] {
            assert!(names.contains(name), "{} has no {name}", operation.id);
        }
    }
}

#[test]
fn options_names_the_methods_of_the_path() {
    let app = TestApp::start();
    for (path, allow) in [
        ("/api/v1/users/bulk", "POST, OPTIONS"),
        ("/api/v1/users/import", "POST, OPTIONS"),
        ("/api/v1/users/1", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        (
            "/api/v1/users/1/permissions/users.read",
            "PUT, DELETE, OPTIONS",
        ),
    ] {
        let options = app.call("OPTIONS", path).send().expect(204);
        assert_eq!(options.header("allow"), allow, "{path}");
    }
}

#[test]
fn patch_needs_a_body_and_the_document_says_where_a_body_is_optional() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    for operation in operations() {
        let body = &operation.definition["requestBody"];
        if !body["content"]["application/json"].is_object() {
            continue;
        }
        if operation.method == "PATCH" {
            assert_eq!(body["required"], true, "{}", operation.id);
            let request = app.call("PATCH", &path_of(operation)).bearer(&admin);
            request.send().expect_field_error("", "required");
        }
    }
    let is_required = |id: &str| {
        let mut operations = operations().iter();
        let operation = operations.find(|operation| operation.id == id).unwrap();
        operation.definition["requestBody"]["required"] == true
    };
    for id in ["createInvite", "createPasswordResetLink", "refresh"] {
        assert!(!is_required(id), "{id}");
    }
    for id in ["login", "createUser", "deleteMe"] {
        assert!(is_required(id), "{id}");
    }
    app.post("/api/v1/invites")
        .bearer(&admin)
        .send()
        .expect(201);
}

#[test]
fn path_without_an_id_explains_that_an_id_is_expected() {
    let app = TestApp::start();
    let admin = app.super_admin_token();
    let unknown = app.get("/api/v1/users/ada").bearer(&admin).send();
    let unknown = unknown.expect_problem(404, "not_found");
    assert!(
        unknown.text.contains("needs its id, a UUID"),
        "{}",
        unknown.text
    );
    let path = format!("/api/v1/users/{UNKNOWN_ID}");
    let unknown = app.get(&path).bearer(&admin).send();
    let unknown = unknown.expect_problem(404, "not_found");
    assert!(!unknown.text.contains("UUID"), "{}", unknown.text);
}
