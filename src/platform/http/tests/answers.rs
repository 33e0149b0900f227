//! What answers look like, whoever made them.

use super::*;

#[test]
fn a_thing_is_answered_with_its_tag_and_not_twice() {
    let toy = toy();
    let first = toy.get("/things/3");
    assert_eq!(
        (first.status, first.body.as_str()),
        (200, r#"{"data":{"displayName":"3"}}"#)
    );
    assert_eq!(first.header("content-type"), Some("application/json"));
    let tag = first.header("etag").unwrap();
    let again = toy.call("GET /things/3", &[&format!("If-None-Match: {tag}")], "");
    assert_eq!(
        (again.status, again.body.as_str(), again.header("etag")),
        (304, "", Some(tag))
    );
    let other = toy.call("GET /things/4", &[&format!("If-None-Match: {tag}")], "");
    assert_eq!(other.status, 200);
}

#[test]
fn a_stale_copy_changes_nothing() {
    let toy = toy();
    let withdraw = |condition: &str| toy.call("DELETE /things/3", &[condition], "");
    let done = withdraw("X: y");
    assert_eq!((done.status, done.header("content-type")), (204, None));
    assert_eq!(withdraw("If-Match: \"7-0000000000000000\"").status, 204);
    assert_eq!(
        withdraw("If-Match: \"6-0000000000000000\"").problem(),
        "precondition_failed"
    );
    assert_eq!(withdraw("If-Match: nonsense").status, 412);
}

#[test]
fn what_was_made_is_located_and_a_list_is_paged() {
    let toy = toy();
    let made = toy.call(
        "POST /things",
        &["Content-Type: application/json", "Idempotency-Key: \"k\""],
        r#"{"displayName":"a","note":"b"}"#,
    );
    assert_eq!(
        (made.status, made.header("location")),
        (201, Some("/things/1"))
    );
    assert_eq!(made.json()["data"]["displayName"], "ab30k");
    let page = toy.get("/things?limit=2").json();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        page["page"],
        serde_json::json!({"next": "more", "limit": 2})
    );
    let wrong = toy.get("/things?limit=9999&offset=1");
    assert_eq!(wrong.problem(), "request_invalid");
    assert_eq!(wrong.json()["errors"][0]["pointer"], "?limit");
    assert_eq!(wrong.json()["errors"][1]["code"], "unknown_parameter");
}

#[test]
fn head_is_get_without_its_body() {
    let toy = toy();
    let (get, head) = (toy.get("/things/3"), toy.call("HEAD /things/3", &[], ""));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["content-length", "content-type", "etag"] {
        assert!(head.header(name).is_some());
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(toy.call("HEAD /nowhere", &[], "").body, "");
}

#[test]
fn a_wrong_method_learns_the_right_ones() {
    let toy = toy();
    let allow = |line: &str| {
        let answer = toy.call(line, &[], "");
        assert_eq!(answer.problem(), "method_not_allowed");
        answer.header("allow").unwrap().to_owned()
    };
    assert_eq!(allow("PUT /things"), "GET, HEAD, POST, OPTIONS");
    assert_eq!(allow("POST /things/3"), "GET, HEAD, DELETE, OPTIONS");
    assert_eq!(allow("BREW /things/3"), "GET, HEAD, DELETE, OPTIONS");
    let options = toy.call("OPTIONS /things", &[], "");
    assert_eq!(
        (options.status, options.header("allow")),
        (204, Some("GET, HEAD, POST, OPTIONS"))
    );
    assert_eq!(toy.call("OPTIONS /nowhere", &[], "").problem(), "not_found");
}

#[test]
fn every_failure_is_a_problem_that_tells_no_secret() {
    let toy = toy();
    for (path, status, code) in [
        ("/nowhere", 404, "not_found"),
        ("/things/no-number", 404, "not_found"),
        ("/refused-inside", 401, "auth_required"),
        ("/fail/panic", 500, "internal_error"),
        ("/fail/internal", 500, "internal_error"),
        ("/fail/foreign", 500, "internal_error"),
        ("/fail/throttled", 429, "rate_limited"),
        ("/fail/bare", 400, "request_invalid"),
        ("/fail/other", 403, "permission_required"),
    ] {
        let answer = toy.get(path);
        assert_eq!(
            (answer.status, &*answer.problem()),
            (status, code),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    }
    assert_eq!(toy.get("/fail/throttled").header("retry-after"), Some("2"));
    assert!(
        toy.get("/refused-inside")
            .header("www-authenticate")
            .is_some()
    );
}

#[test]
fn a_panic_costs_one_answer_and_not_the_connection() {
    let toy = toy();
    let request =
        |path: &str, close: &str| format!("GET {path} HTTP/1.1\r\nHost: toy\r\n{close}\r\n");
    let both = request("/fail/panic", "") + &request("/things/3", "Connection: close\r\n");
    let answers = toy.raw(both.as_bytes());
    assert!(
        answers.contains("HTTP/1.1 500") && answers.contains("HTTP/1.1 200"),
        "{answers}"
    );
}

#[test]
fn every_answer_has_the_headers_of_a_closed_door() {
    let toy = toy();
    for path in ["/things/3", "/nowhere", "/fail/panic"] {
        let answer = toy.get(path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header("content-security-policy"), Some(policy));
        for absent in [
            "server",
            "x-powered-by",
            "set-cookie",
            "access-control-allow-origin",
        ] {
            assert_eq!(answer.header(absent), None, "{absent}");
        }
    }
    assert_eq!(
        toy.get("/fail/cached").header("cache-control"),
        Some("max-age=60")
    );
}

#[test]
fn a_trace_is_continued_and_a_name_echoed() {
    let toy = toy();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    let answer = toy.call("GET /nowhere", &[&parent, "X-Request-Id: mine-1"], "");
    assert_eq!(answer.json()["traceId"], trace);
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    let answer = toy.call(
        "GET /nowhere",
        &["traceparent: nonsense", "X-Request-Id: <script>"],
        "",
    );
    let made = answer.json()["traceId"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-request-id"), Some(&*made));
}

#[test]
fn samples_name_patterns_and_never_what_a_caller_makes_up() {
    let toy = toy();
    toy.get("/things/3?secret=1");
    toy.call("HEAD /things/4", &[], "");
    toy.call("BREW /made-up", &[], "");
    toy.get("/fail/panic");
    let seen = toy.seen.0.lock().unwrap();
    let expected = [
        ("GET", "/things/{id}", 200),
        ("HEAD", "/things/{id}", 200),
        ("OTHER", "none", 404),
        ("GET", "none", 500),
    ];
    let expected =
        expected.map(|(method, route, status)| (method.to_owned(), route.to_owned(), status));
    assert_eq!(*seen, expected);
}

#[test]
fn the_document_learns_bodies_parameters_and_answers_from_the_types() {
    let toy = toy();
    let schemas = toy.document["components"]["schemas"].as_object().unwrap();
    let names: Vec<_> = schemas.keys().map(String::as_str).collect();
    for name in [
        "Thing",
        "Data_Thing",
        "Page_Thing",
        "NewThing",
        "Problem",
        "ProblemFault",
        "ProblemCode",
        "PageInfo",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let page = &schemas["Page_Thing"]["properties"];
    assert_eq!(page["data"]["items"]["$ref"], "#/components/schemas/Thing");
    let one = &schemas["Data_Thing"]["properties"];
    assert_eq!(one["data"]["$ref"], "#/components/schemas/Thing");
    let operations = &toy.document["paths"]["/things"];
    let body = &operations["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["$ref"], "#/components/schemas/NewThing");
    assert_eq!(operations["get"]["parameters"][0]["name"], "limit");
}
