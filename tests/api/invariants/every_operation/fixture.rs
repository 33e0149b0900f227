//! The service, a `SuperAdmin` token, and helpers that create the resources of the example requests.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::example_requests::EXAMPLE_REQUESTS;
use crate::support::{Operation, RequestBuilder, Response, TestApp};

/// The service with open registration, and the access token of a `SuperAdmin`.
pub struct ServiceFixture {
    pub app: TestApp,
    pub admin: String,
}

/// The variable parts of a request to an operation.
pub struct ExampleRequest {
    /// The values of the path parameters, in order.
    path_parameters: Vec<String>,
    pub query: &'static str,
    json_body: Option<Value>,
    /// A body that is not JSON, with its content type.
    raw_body: Option<(&'static str, String)>,
    /// The access token; empty for an anonymous request.
    token: String,
}

impl ExampleRequest {
    pub fn param(mut self, value: impl Into<String>) -> Self {
        self.path_parameters.push(value.into());
        self
    }

    pub fn body(mut self, body: Value) -> Self {
        self.json_body = Some(body);
        self
    }

    pub fn form(self, form: String) -> Self {
        self.raw_body("application/x-www-form-urlencoded", form)
    }

    pub fn raw_body(mut self, content_type: &'static str, body: String) -> Self {
        self.raw_body = Some((content_type, body));
        self
    }

    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// The request to this operation, ready to be sent.
    pub fn build(&self, app: &TestApp, operation: &Operation) -> RequestBuilder {
        let mut path = operation.path.clone();
        for value in &self.path_parameters {
            let (open, close) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(open..=close, value);
        }
        assert!(!path.contains('{'), "{path} lacks a path parameter");
        let mut request = app.call(&operation.method, &format!("{path}{}", self.query));
        if !self.token.is_empty() {
            request = request.bearer(&self.token);
        }
        match (&self.json_body, &self.raw_body) {
            (Some(body), _) => request.json(body),
            (None, Some((content_type, body))) => request.body(content_type, body.as_str()),
            (None, None) => request,
        }
    }
}

impl ServiceFixture {
    pub fn new() -> Self {
        let app = TestApp::start_with(&[("ROSTERD_REGISTRATION", "open")]);
        let admin = app.super_admin_token();
        Self { app, admin }
    }

    /// The example request of an operation. Creates the resources that it needs.
    ///
    /// # Errors
    /// The operation has no row in the table.
    pub fn example_request(&self, operation: &Operation) -> Result<ExampleRequest, String> {
        let row = EXAMPLE_REQUESTS.iter().find(|(id, _)| *id == operation.id);
        let (_, prepare) = row.ok_or("no row in example_requests.rs")?;
        Ok(prepare(self))
    }

    /// Sends the request.
    ///
    /// # Errors
    /// The response is not a 2xx, or its status is not documented.
    pub fn send_successfully(
        &self,
        operation: &Operation,
        request: &ExampleRequest,
    ) -> Result<Response, String> {
        let response = request.build(&self.app, operation).send();
        let documented = operation.definition["responses"].get(response.status.to_string());
        if (200..300).contains(&response.status) && documented.is_some() {
            Ok(response)
        } else {
            Err(format!("{} {}", response.status, response.text))
        }
    }

    /// A request of the `SuperAdmin`, without path parameters and body.
    pub fn request(&self) -> ExampleRequest {
        ExampleRequest {
            path_parameters: Vec::new(),
            query: "",
            json_body: None,
            raw_body: None,
            token: self.admin.clone(),
        }
    }

    /// A request whose path parameter is the id of a new account.
    pub fn request_for_user(&self) -> ExampleRequest {
        self.request().param(self.create_user())
    }

    /// A request whose path parameter is the id of a new session.
    pub fn request_for_session(&self) -> ExampleRequest {
        let session = self.sign_in_new_user();
        self.request()
            .param(string_member(&session["session"], "id"))
    }

    /// A request whose path parameter is the id of a new service client.
    pub fn request_for_client(&self) -> ExampleRequest {
        self.request()
            .param(string_member(&self.create_client(), "id"))
    }

    /// A request of a new account that has a personal access token, and the id of that token.
    pub fn request_with_own_token(&self) -> (ExampleRequest, String) {
        let access_token = self.new_user_token();
        let body = json!({"name": "export", "permissions": []});
        let created = self
            .app
            .post("/api/v1/auth/tokens")
            .bearer(&access_token)
            .json(&body)
            .send()
            .expect(201);
        (
            self.request().bearer(access_token),
            string_member(created.data(), "id"),
        )
    }

    /// Creates an account and returns its id.
    pub fn create_user(&self) -> String {
        self.app.create_user(&unique_name("user"), "User", &[]).id
    }

    /// Creates an account, signs it in and returns the `data` member of the response.
    pub fn sign_in_new_user(&self) -> Value {
        let name = unique_name("user");
        self.app.create_user(&name, "User", &[]);
        self.app.sign_in(&name)
    }

    /// The access token of a new account.
    pub fn new_user_token(&self) -> String {
        string_member(&self.sign_in_new_user(), "accessToken")
    }

    /// Creates an account with a personal access token. Returns both ids.
    pub fn create_user_token(&self) -> (String, String) {
        let user = self.create_user();
        let body = json!({"name": "export", "permissions": []});
        let token = self.post(&format!("/api/v1/users/{user}/tokens"), &body);
        (user, string_member(&token, "id"))
    }

    /// Creates a role and returns its name.
    pub fn create_role(&self) -> String {
        let role = json!({"name": unique_name("Role"), "rank": 10});
        string_member(&self.post("/api/v1/roles", &role), "name")
    }

    /// Creates an invite and returns its id.
    pub fn create_invite(&self) -> String {
        string_member(&self.post("/api/v1/invites", &json!({})), "id")
    }

    /// Creates a service client and returns it with its secret.
    pub fn create_client(&self) -> Value {
        let client = json!({"name": unique_name("client"), "permissions": ["users.read"]});
        self.post("/api/v1/clients", &client)
    }

    /// The credentials of a new service client as form parameters.
    pub fn new_client_credentials(&self) -> String {
        let client = self.create_client();
        let id = string_member(&client, "id");
        let secret = string_member(&client, "clientSecret");
        format!("client_id={id}&client_secret={secret}")
    }

    /// Creates a password reset link and returns its token.
    pub fn create_reset_link(&self, user: &str) -> String {
        let path = format!("/api/v1/users/{user}/password-reset-link");
        string_member(&self.post(&path, &json!({})), "token")
    }

    /// Inserts an email confirmation into the database and returns its token.
    pub fn create_email_confirmation(&self, user: &str) -> String {
        let token = unique_name("token");
        self.app.execute(&format!(
            "UPDATE users SET email = '{token}@example.org' WHERE id = '{user}'; \
             INSERT INTO email_confirmation_tokens (user_id, digest, email, created_at, expires_at) VALUES \
             ('{user}', sha256('{token}'), '{token}@example.org', now(), now() + interval '1 hour')"
        ));
        token
    }

    /// Creates a resource as the `SuperAdmin` and returns it.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.app.post(path).bearer(&self.admin).json(body);
        request.send().expect(201).data().clone()
    }
}

/// A name with this prefix that no other resource has.
pub fn unique_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The string value of a member.
pub fn string_member(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}
