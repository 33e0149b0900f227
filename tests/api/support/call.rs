//! One HTTP call and its answer.

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

/// A call that is about to be made.
pub struct Call {
    agent: ureq::Agent,
    request: ureq::http::request::Builder,
    body: Option<Vec<u8>>,
}

impl Call {
    pub fn new(agent: &ureq::Agent, method: &str, url: &str) -> Self {
        Self {
            agent: agent.clone(),
            request: Request::builder().method(method).uri(url),
            body: None,
        }
    }

    /// As whoever has this access token.
    pub fn by(self, token: impl AsRef<str>) -> Self {
        let value = format!("Bearer {}", token.as_ref());
        self.header("Authorization", &value)
    }

    /// With this header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With this JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With this body of this type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    /// Makes the call.
    #[track_caller]
    pub fn send(self) -> Answer {
        self.answer().unwrap()
    }

    /// Makes the call to a service that may be gone.
    pub fn try_send(self) -> Option<Answer> {
        self.answer().ok()
    }

    fn answer(self) -> Result<Answer, ureq::Error> {
        let request = self.request.body(self.body.unwrap_or_default()).unwrap();
        let mut response = self.agent.run(request)?;
        let text = response.body_mut().read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        })
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as JSON; null when there is none.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// Holds if the status is this one; shows the answer if not.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Holds if this is a problem with this status and code, of the form that every problem has.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.body["code"], code, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.body["type"], format!("urn:rosterd:problem:{code}"));
        assert_eq!(answer.body["status"], status);
        assert!(answer.body["title"].is_string() && answer.body["traceId"].is_string());
        assert!(answer.body["errors"].is_array());
        answer
    }

    /// Holds if the problem points at this member with this code.
    #[track_caller]
    pub fn expect_fault(self, pointer: &str, code: &str) -> Self {
        let answer = self.expect_problem(400, "request_invalid");
        let faults = answer.body["errors"].as_array().unwrap();
        let found = faults
            .iter()
            .any(|fault| fault["pointer"] == pointer && fault["code"] == code);
        assert!(found, "{pointer} {code} in {}", answer.text);
        answer
    }

    /// The `data` of the answer.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// A header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
