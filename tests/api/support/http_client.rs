//! HTTP requests and responses of the tests.

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

use super::documented_responses::assert_documented;

/// A request that has not been sent yet.
pub struct RequestBuilder {
    agent: ureq::Agent,
    request: ureq::http::request::Builder,
    body: Option<Vec<u8>>,
}

impl RequestBuilder {
    pub fn new(agent: &ureq::Agent, method: &str, url: &str) -> Self {
        Self {
            agent: agent.clone(),
            request: Request::builder().method(method).uri(url),
            body: None,
        }
    }

    /// Adds `Authorization: Bearer` with this token.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        let value = format!("Bearer {}", token.as_ref());
        self.header("Authorization", &value)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sets a body and its `Content-Type`.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    /// Sends the request. Panics on connection errors.
    #[track_caller]
    pub fn send(self) -> Response {
        self.response().unwrap()
    }

    /// Sends the request. Returns `None` on connection errors.
    pub fn try_send(self) -> Option<Response> {
        self.response().ok()
    }

    #[track_caller]
    fn response(self) -> Result<Response, ureq::Error> {
        let request = self.request.body(self.body.unwrap_or_default()).unwrap();
        let method = request.method().as_str().to_owned();
        let path = request.uri().path().to_owned();
        let mut response = self.agent.run(request)?;
        let text = response.body_mut().read_to_string()?;
        let response = Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        };
        assert_documented(&method, &path, &response);
        Ok(response)
    }
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as JSON; null if it is not JSON.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Response {
    /// Asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Asserts the status and the `code` of an RFC 9457 problem, and the members that every problem has.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        assert_eq!(response.body["code"], code, "{}", response.text);
        assert_eq!(response.header("content-type"), "application/problem+json");
        assert_eq!(response.body["type"], format!("urn:rosterd:problem:{code}"));
        assert_eq!(response.body["status"], status);
        assert!(response.body["title"].is_string() && response.body["traceId"].is_string());
        assert!(response.body["errors"].is_array());
        response
    }

    /// Asserts a 400 `request_invalid` problem with this JSON pointer and code among its `errors`.
    #[track_caller]
    pub fn expect_field_error(self, pointer: &str, code: &str) -> Self {
        let response = self.expect_problem(400, "request_invalid");
        let errors = response.body["errors"].as_array().unwrap();
        let found = errors
            .iter()
            .any(|error| error["pointer"] == pointer && error["code"] == code);
        assert!(found, "{pointer} {code} in {}", response.text);
        response
    }

    /// The `data` member of the body.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
