//! What a problem says and what it keeps to itself.

use super::*;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

fn headers(error: &AppError) -> (u16, Option<String>, Option<String>) {
    let response = error.error_response();
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    (
        response.status().as_u16(),
        header(header::WWW_AUTHENTICATE),
        header(header::RETRY_AFTER),
    )
}

fn body(error: &AppError) -> Value {
    serde_json::to_value(Problem::of(error, TraceId::fresh())).unwrap()
}

#[test]
fn a_problem_says_what_the_caller_may_know() {
    let error = AppError::fault("/password", "too_short", "at least 15")
        .extend("minimum", 15)
        .caused_by("the secret cause");
    let mut problem = body(&error);
    let trace = problem["traceId"].take();
    assert_eq!(trace.as_str().map(str::len), Some(32));
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
fn the_schema_lists_what_is_sent_and_every_code() {
    let schema = serde_json::to_value(Problem::schema()).unwrap();
    let documented: HashSet<_> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let sent: HashSet<_> = body(&Code::NotFound.into())
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(documented, sent);
    let codes = serde_json::to_value(ProblemCode::schema()).unwrap();
    assert_eq!(
        codes["enum"].as_array().map(Vec::len),
        Some(Code::ALL.len())
    );
}

#[test]
fn a_401_says_how_to_be_let_in() {
    let challenge = |code: Code| headers(&code.into()).1;
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
        .filter(|code| code.kind() == Kind::Unauthenticated)
    {
        assert!(challenge(code).is_some(), "{}", code.as_str());
    }
}

#[test]
fn a_wait_is_whole_seconds_rounded_up_and_never_none() {
    let wait = |millis| {
        headers(&AppError::new(Code::RateLimited).retry_after(Duration::from_millis(millis)))
            .2
            .unwrap()
    };
    assert_eq!(
        (wait(0), wait(1), wait(1000), wait(1001)),
        ("1".into(), "1".into(), "1".into(), "2".into())
    );
    assert_eq!(headers(&Code::Overloaded.into()).2.as_deref(), Some("1"));
    assert_eq!(headers(&Code::NotFound.into()).2, None);
}

#[test]
fn each_status_of_the_framework_has_a_code_of_the_same_status() {
    for status in [400, 401, 404, 405, 408, 413, 414, 415, 431, 500, 503] {
        let code = code_for(StatusCode::from_u16(status).unwrap());
        assert_eq!(super::status(code.kind()).as_u16(), status);
    }
}

#[test]
fn only_an_error_without_a_body_of_its_own_is_completed() {
    let completed = |response: HttpResponse| {
        let response = complete(response, TraceId::fresh());
        response.headers().get(header::CONTENT_TYPE) == Some(&PROBLEM_JSON)
    };
    assert!(completed(HttpResponse::NotFound().finish()));
    assert!(completed(
        HttpResponse::BadRequest()
            .content_type("text/plain")
            .body("Parse error: secret")
    ));
    assert!(completed(HttpResponse::from_error(AppError::new(
        Code::NotFound
    ))));
    assert!(completed(HttpResponse::from_error(
        actix_web::error::ErrorImATeapot("no")
    )));
    assert!(!completed(HttpResponse::Ok().finish()));
    assert!(!completed(HttpResponse::NotModified().finish()));
    assert!(!completed(
        HttpResponse::BadRequest()
            .content_type("application/json")
            .body("{}")
    ));
}

#[test]
fn a_spent_budget_is_told_in_structured_fields() {
    let spent = crate::platform::error::ExceededLimit {
        policy: "account",
        quota: 10,
        window: Duration::from_secs(60),
    };
    let error = AppError::rate_limited(spent, Duration::from_millis(29_001));
    let response = error.error_response();
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(response.status().as_u16(), 429);
    assert_eq!(header("retry-after"), "30");
    assert_eq!(header("ratelimit-policy"), r#""account";q=10;w=60"#);
    assert_eq!(header("ratelimit"), r#""account";r=0;t=30"#);
    assert_eq!(body(&error)["violated-policies"], json!(["account"]));
}
