//! Tests of the error responses.

use super::*;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

fn header(error: &AppError, name: HeaderName) -> Option<String> {
    let response = error.error_response();
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

fn body(error: &AppError) -> Value {
    serde_json::to_value(Problem::from_error(error, TraceId::generate())).unwrap()
}

#[test]
fn problem_contains_the_public_part_of_the_error() {
    let error = AppError::invalid_field("/password", "too_short", "at least 15")
        .with_extension("minimum", 15)
        .with_cause("the secret cause");
    let mut problem = body(&error);
    let trace_id = problem["traceId"].take();
    assert_eq!(trace_id.as_str().map(str::len), Some(32));
    let expected = json!({
        "type": "urn:rosterd:problem:request_invalid",
        "title": "The request is not valid",
        "status": 400,
        "detail": "The request is not valid",
        "code": "request_invalid",
        "traceId": null,
        "errors": [{"pointer": "/password", "code": "too_short", "detail": "at least 15"}],
        "minimum": 15,
    });
    assert_eq!(problem, expected);
    assert_eq!(body(&Code::NotFound.into())["errors"], json!([]));
}

#[test]
fn schema_matches_the_problem_and_lists_every_code() {
    let schema = serde_json::to_value(Problem::schema()).unwrap();
    // The other part has the members that only some codes have.
    let parts = schema["allOf"].as_array().unwrap();
    let required = parts.iter().filter_map(|part| part["required"].as_array());
    let documented: HashSet<String> = required
        .flatten()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let serialized: HashSet<_> = body(&Code::NotFound.into())
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(documented, serialized);
    let codes = serde_json::to_value(ProblemCode::schema()).unwrap();
    assert_eq!(
        codes["enum"].as_array().map(Vec::len),
        Some(Code::ALL.len())
    );
}

#[test]
fn every_401_has_a_challenge() {
    let challenge = |code: Code| header(&code.into(), header::WWW_AUTHENTICATE);
    assert_eq!(
        challenge(Code::AuthRequired).unwrap(),
        r#"Bearer realm="rosterd""#
    );
    assert!(
        challenge(Code::AuthTokenInvalid)
            .unwrap()
            .ends_with(r#"error="invalid_token""#)
    );
    assert!(
        challenge(Code::PermissionRequired)
            .unwrap()
            .ends_with(r#"error="insufficient_scope""#)
    );
    assert_eq!(challenge(Code::PermissionNotHeld), None);
    for code in Code::ALL
        .iter()
        .copied()
        .filter(|code| code.category() == ErrorCategory::Unauthenticated)
    {
        assert!(challenge(code).is_some(), "{}", code.as_str());
    }
}

#[test]
fn retry_after_is_in_whole_seconds_rounded_up() {
    let retry_after = |error: AppError| header(&error, header::RETRY_AFTER);
    for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
        let delay = Duration::from_millis(millis);
        let error = AppError::new(Code::RateLimited).with_retry_after(delay);
        assert_eq!(retry_after(error).as_deref(), Some(seconds), "{millis} ms");
    }
    assert_eq!(retry_after(Code::Overloaded.into()).as_deref(), Some("1"));
    assert_eq!(retry_after(Code::NotFound.into()), None);
}

#[test]
fn statuses_set_by_actix_map_to_a_code_with_the_same_status() {
    for status in [400, 401, 404, 405, 408, 413, 414, 415, 431, 500, 503] {
        let code = code_for_status(StatusCode::from_u16(status).unwrap());
        assert_eq!(status_of(code.category()).as_u16(), status);
    }
}

#[test]
fn only_errors_without_a_json_body_get_a_problem_body() {
    let gets_problem_body = |response: HttpResponse| {
        let response = fill_error_body(response, TraceId::generate());
        response.headers().get(header::CONTENT_TYPE) == Some(&PROBLEM_JSON)
    };
    assert!(gets_problem_body(HttpResponse::NotFound().finish()));
    assert!(gets_problem_body(
        HttpResponse::BadRequest()
            .content_type("text/plain")
            .body("Parse error: secret")
    ));
    assert!(gets_problem_body(HttpResponse::from_error(AppError::new(
        Code::NotFound
    ))));
    assert!(gets_problem_body(HttpResponse::from_error(
        actix_web::error::ErrorImATeapot("no")
    )));
    assert!(!gets_problem_body(HttpResponse::Ok().finish()));
    assert!(!gets_problem_body(HttpResponse::NotModified().finish()));
    assert!(!gets_problem_body(
        HttpResponse::BadRequest()
            .content_type("application/json")
            .body("{}")
    ));
}

#[test]
fn exceeded_limit_is_sent_as_structured_fields() {
    let limit = ExceededLimit {
        policy: "account",
        quota: 10,
        window: Duration::from_secs(60),
    };
    let error = AppError::rate_limited(limit, Duration::from_millis(29_001));
    let response = error.error_response();
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(response.status().as_u16(), 429);
    assert_eq!(header("retry-after"), "30");
    assert_eq!(header("ratelimit-policy"), r#""account";q=10;w=60"#);
    assert_eq!(header("ratelimit"), r#""account";r=0;t=30"#);
    assert_eq!(body(&error)["violated-policies"], json!(["account"]));
}
