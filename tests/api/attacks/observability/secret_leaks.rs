//! Searches the log and the database for every secret that was sent or returned.

use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use serde_json::{Value, json};

use crate::support::binary::ServiceProcess;
use crate::support::{PASSWORD, RequestBuilder, SECRET_KEY, TestApp, document, operations};

/// Members of requests and responses that are secrets.
const SECRET_MEMBERS: [&str; 14] = [
    "password",
    "currentPassword",
    "newPassword",
    "passwordHash",
    "refreshToken",
    "accessToken",
    "access_token",
    "refresh_token",
    "changeToken",
    "inviteToken",
    "token",
    "clientSecret",
    "secret",
    "code",
];

/// Secrets that must not appear in the log or in the database.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    /// A unique secret that the password policy accepts.
    fn generate(&mut self) -> String {
        let secret = format!("canary {} of the mine", uuid::Uuid::new_v4().simple());
        self.0.push(secret.clone());
        secret
    }

    /// Adds every secret in a response body.
    fn collect(&mut self, response: &Value) {
        match response {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(secret) if SECRET_MEMBERS.contains(&name.as_str()) => {
                            self.0.push(secret.to_owned());
                        }
                        _ => self.collect(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }

    /// The first secret that the text contains, as plain text or in hexadecimal.
    fn found_in<'a>(&'a self, text: &str) -> Option<&'a str> {
        let occurs = |secret: &&String| {
            text.contains(secret.as_str()) || text.contains(&hex::encode(secret.as_bytes()))
        };
        self.0.iter().find(occurs).map(String::as_str)
    }
}

/// Sends the request, collects the secrets of the response, and returns its `data`.
fn send(call: RequestBuilder, status: u16, canaries: &mut Canaries) -> Value {
    let response = call.send().expect(status);
    canaries.collect(&response.body);
    response.body["data"].clone()
}

/// Every row of every table as text.
fn dump_database(app: &TestApp) -> String {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let mut conn = app.sql();
    let mut rows = |sql: &str| -> Vec<String> {
        let rows: Vec<Row> = diesel::sql_query(sql).load(&mut conn).unwrap();
        rows.into_iter().map(|row| row.text).collect()
    };
    let tables =
        rows("SELECT tablename::text AS text FROM pg_tables WHERE schemaname = current_schema()");
    assert!(tables.len() > 15, "{tables:?}");
    let all = tables
        .iter()
        .flat_map(|table| rows(&format!("SELECT t::text AS text FROM {table} t")));
    all.collect::<Vec<_>>().join("\n")
}

/// Method, path and member name of every secret in a JSON request body.
fn secret_members() -> Vec<(&'static str, &'static str, String)> {
    let mut members = Vec::new();
    for operation in operations() {
        let schema = &operation.definition["requestBody"]["content"]["application/json"]["schema"];
        let Some(reference) = schema["$ref"].as_str() else {
            continue;
        };
        let schema = document()
            .pointer(reference.trim_start_matches('#'))
            .unwrap();
        for name in schema["properties"].as_object().unwrap().keys() {
            if SECRET_MEMBERS.contains(&name.as_str()) {
                members.push((
                    operation.method.as_str(),
                    operation.path.as_str(),
                    name.clone(),
                ));
            }
        }
    }
    members
}

/// Bodies with this secret in this member, most of them invalid.
fn bodies(name: &str, secret: &str) -> Vec<String> {
    vec![
        json!({name: secret}).to_string(),
        json!({name: [secret]}).to_string(),
        json!({name: {"inner": secret}}).to_string(),
        json!({name: secret, "noSuchMember": secret}).to_string(),
        json!({name: format!("{secret}\0")}).to_string(),
        json!({name: secret.repeat(100)}).to_string(),
        format!("{{\"{name}\": \"{secret}"),
        format!("{{\"{name}\": \"{secret}\"}} and more"),
        format!("{{\"{name}\": {secret}}}"),
        format!("{{\"{name}\": \"{secret}\", \"{name}\": \"{secret}\"}}"),
    ]
}

/// Successful requests of every kind that carry secrets.
fn send_successful_requests(app: &TestApp, service: &ServiceProcess, canaries: &mut Canaries) {
    canaries.0.push(PASSWORD.to_owned());
    app.create_user("chief", "SuperAdmin", &[]);
    let login = |name: &str, password: &str| {
        let body = json!({"username": name, "password": password});
        service.post("/api/v1/auth/login").json(&body)
    };
    let session = send(login("chief", PASSWORD), 200, canaries);
    let admin = session["accessToken"].as_str().unwrap();
    let refresh = json!({"refreshToken": session["refreshToken"]});
    send(
        service.post("/api/v1/auth/refresh").json(&refresh),
        200,
        canaries,
    );

    let password = canaries.generate();
    let body = json!({"username": "ada", "role": "User", "password": password});
    let created = send(
        service.post("/api/v1/users").bearer(admin).json(&body),
        201,
        canaries,
    );
    let path = format!("/api/v1/users/{}", created["id"].as_str().unwrap());
    let ada_session = send(login("ada", &password), 200, canaries);
    let ada_token = ada_session["accessToken"].as_str().unwrap();
    let next_password = canaries.generate();
    let body = json!({"currentPassword": password, "newPassword": next_password});
    send(
        service
            .post("/api/v1/auth/change-password")
            .bearer(ada_token)
            .json(&body),
        204,
        canaries,
    );
    let body = json!({"name": "export", "permissions": []});
    send(
        service
            .post("/api/v1/auth/tokens")
            .bearer(ada_token)
            .json(&body),
        201,
        canaries,
    );
    let body = json!({"newPassword": canaries.generate()});
    send(
        service
            .post(&format!("{path}/reset-password"))
            .bearer(admin)
            .json(&body),
        204,
        canaries,
    );
    let reset_link = send(
        service
            .post(&format!("{path}/password-reset-link"))
            .bearer(admin)
            .json(&json!({})),
        201,
        canaries,
    );
    let body = json!({"token": reset_link["token"], "newPassword": canaries.generate()});
    send(
        service.post("/api/v1/auth/reset-password").json(&body),
        204,
        canaries,
    );
    let must_change = service.call("PATCH", &path).bearer(admin);
    send(
        must_change.json(&json!({"mustChangePassword": true})),
        200,
        canaries,
    );
    let response = login("ada", canaries.0.last().unwrap()).send();
    response.expect_problem(403, "auth_password_change_required");
    send_client_and_invite_requests(service, admin, canaries);
}

fn send_client_and_invite_requests(service: &ServiceProcess, admin: &str, canaries: &mut Canaries) {
    let invite = send(
        service
            .post("/api/v1/invites")
            .bearer(admin)
            .json(&json!({})),
        201,
        canaries,
    );
    let token = invite["token"].as_str().unwrap();
    send(
        service
            .get(&format!("/api/v1/invites/{token}"))
            .bearer(admin),
        200,
        canaries,
    );
    let body = json!({"username": "grace", "password": canaries.generate(), "inviteToken": token});
    send(
        service.post("/api/v1/auth/register").json(&body),
        201,
        canaries,
    );
    let body = json!({"name": "reports", "permissions": []});
    let client = send(
        service.post("/api/v1/clients").bearer(admin).json(&body),
        201,
        canaries,
    );
    let rotate = format!(
        "/api/v1/clients/{}/rotate-secret",
        client["clientId"].as_str().unwrap_or_default()
    );
    send(service.post(&rotate).bearer(admin), 200, canaries);
}

// SECURITY: J01
#[test]
fn no_secret_reaches_the_log_or_the_database() {
    let app = TestApp::start();
    let mut settings = app.binary_settings();
    let extra_settings = [("ROSTERD_LOG", "trace"), ("ROSTERD_REGISTRATION", "invite")];
    settings.extend(extra_settings.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let service = ServiceProcess::start(&settings);
    let mut canaries = Canaries::default();
    canaries.0.push(SECRET_KEY.to_owned());
    send_successful_requests(&app, &service, &mut canaries);

    let admin = service.token("chief", PASSWORD);
    let missing_id = uuid::Uuid::nil().to_string();
    let members = secret_members();
    assert!(members.len() > 8, "{members:?}");
    let secret = canaries.generate();
    for (method, path, name) in &members {
        let path: Vec<&str> = path
            .split('/')
            .map(|part| {
                if part.starts_with('{') {
                    &missing_id
                } else {
                    part
                }
            })
            .collect();
        for body in bodies(name, &secret) {
            let call = service.call(method, &path.join("/")).bearer(&admin);
            let response = call.body("application/json", body).send();
            assert_eq!(
                canaries.found_in(&response.text),
                None,
                "{method} {path:?} {name}: {}",
                response.text
            );
        }
        let call = service.call(method, &path.join("/")).bearer(&admin);
        call.body("text/plain", secret.clone()).send();
    }
    let header_secret = secret.replace(' ', "-");
    canaries.0.push(header_secret.clone());
    for (name, value) in [
        ("Authorization", format!("Bearer {header_secret}")),
        ("Authorization", format!("Basic {header_secret}")),
        ("Authorization", format!("Bearer rst_pat_{header_secret}")),
        ("Cookie", format!("__Host-rosterd-refresh={header_secret}")),
        ("Proxy-Authorization", header_secret.clone()),
    ] {
        service.get("/api/v1/auth/me").header(name, &value).send();
        service
            .post("/api/v1/auth/refresh")
            .header(name, &value)
            .json(&json!({}))
            .send();
    }
    service
        .get(&format!("/api/v1/users?password={header_secret}"))
        .bearer(&admin)
        .send();
    service
        .get(&format!("/api/v1/invites/rst_inv_{header_secret}"))
        .bearer(&admin)
        .send();
    // Internal errors: a table and a column are missing.
    app.execute("ALTER TABLE refresh_tokens RENAME TO gone; ALTER TABLE users RENAME COLUMN password_hash TO gone");
    let login = json!({"username": "ada", "password": secret});
    service
        .post("/api/v1/auth/login")
        .json(&login)
        .send()
        .expect(500);
    let refresh = json!({"refreshToken": secret});
    service
        .post("/api/v1/auth/refresh")
        .json(&refresh)
        .send()
        .expect(500);
    let user = json!({"username": "mary", "role": "User", "password": secret});
    service
        .post("/api/v1/users")
        .bearer(&admin)
        .json(&user)
        .send()
        .expect(500);

    let output = service.output().join("\n");
    assert!(
        output.contains("\"TRACE\"") && output.contains("\"ERROR\""),
        "the log has all levels"
    );
    assert_eq!(canaries.found_in(&output), None, "in the log");
    assert_eq!(
        canaries.found_in(&dump_database(&app)),
        None,
        "in the database"
    );
}
