//! Attacks on what is written down: logs, the audit log, the metrics, the process as others on the machine see it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use diesel::RunQueryDsl;
use diesel::sql_types::Text;
use serde_json::{Value, json};

use crate::support::binary::{Folder, Service, on};
use crate::support::proxy::free_port;
use crate::support::{Call, PASSWORD, Schema, TestApp, document, eventually, operations};

/// Secrets that must be found nowhere but where they were sent.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    /// A secret that nothing else contains, and that the policy for passwords accepts.
    fn new_one(&mut self) -> String {
        let secret = format!("canary {} of the mine", uuid::Uuid::new_v4().simple());
        self.0.push(secret.clone());
        secret
    }

    /// Takes every secret that an answer hands out.
    fn note(&mut self, answer: &Value) {
        match answer {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(secret) if IS_SECRET.contains(&name.as_str()) => {
                            self.0.push(secret.to_owned());
                        }
                        _ => self.note(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            _ => {}
        }
    }

    /// The first of them that the text has, as it is or in hexadecimal digits.
    fn found_in<'a>(&'a self, text: &str) -> Option<&'a str> {
        let is_there = |secret: &&String| {
            text.contains(secret.as_str()) || text.contains(&hex::encode(secret.as_bytes()))
        };
        self.0.iter().find(is_there).map(String::as_str)
    }
}

/// The members that are secrets, in what is sent and in what is answered.
const IS_SECRET: [&str; 14] = [
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

/// Every row of every table, as text.
fn dump(app: &TestApp) -> String {
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

/// What each operation that takes JSON calls its secrets.
fn secret_members() -> Vec<(&'static str, &'static str, String)> {
    let mut found = Vec::new();
    for operation in operations() {
        let schema = &operation.said["requestBody"]["content"]["application/json"]["schema"];
        let Some(at) = schema["$ref"].as_str() else {
            continue;
        };
        let schema = document().pointer(at.trim_start_matches('#')).unwrap();
        for name in schema["properties"].as_object().unwrap().keys() {
            if IS_SECRET.contains(&name.as_str()) {
                found.push((
                    operation.method.as_str(),
                    operation.path.as_str(),
                    name.clone(),
                ));
            }
        }
    }
    found
}

/// Bodies with this secret in this member, most of them wrong in one way or another.
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

/// Sends bytes as they are, and waits for whatever comes back.
fn exchange(addr: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Calls, takes the secrets of the answer, and gives its data.
fn send(call: Call, status: u16, canaries: &mut Canaries) -> Value {
    let answer = call.send().expect(status);
    canaries.note(&answer.body);
    answer.body["data"].clone()
}

/// What goes well, with secrets everywhere.
fn all_goes_well(app: &TestApp, service: &Service, canaries: &mut Canaries) {
    canaries.0.push(PASSWORD.to_owned());
    app.user("chief", "SuperAdmin", &[]);
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

    let password = canaries.new_one();
    let body = json!({"username": "ada", "role": "User", "password": password});
    let made = send(
        service.post("/api/v1/users").by(admin).json(&body),
        201,
        canaries,
    );
    let path = format!("/api/v1/users/{}", made["id"].as_str().unwrap());
    let ada = send(login("ada", &password), 200, canaries);
    let own = ada["accessToken"].as_str().unwrap();
    let next = canaries.new_one();
    let body = json!({"currentPassword": password, "newPassword": next});
    send(
        service
            .post("/api/v1/auth/change-password")
            .by(own)
            .json(&body),
        204,
        canaries,
    );
    let body = json!({"name": "export", "permissions": []});
    send(
        service.post("/api/v1/auth/tokens").by(own).json(&body),
        201,
        canaries,
    );
    let body = json!({"newPassword": canaries.new_one()});
    send(
        service
            .post(&format!("{path}/reset-password"))
            .by(admin)
            .json(&body),
        204,
        canaries,
    );
    let link = send(
        service
            .post(&format!("{path}/password-reset-link"))
            .by(admin)
            .json(&json!({})),
        201,
        canaries,
    );
    let body = json!({"token": link["token"], "newPassword": canaries.new_one()});
    send(
        service.post("/api/v1/auth/reset-password").json(&body),
        204,
        canaries,
    );
    let must_change = service.call("PATCH", &path).by(admin);
    send(
        must_change.json(&json!({"mustChangePassword": true})),
        200,
        canaries,
    );
    let answer = login("ada", canaries.0.last().unwrap()).send();
    answer.expect_problem(403, "auth_password_change_required");
    programs_and_invites(service, admin, canaries);
}

fn programs_and_invites(service: &Service, admin: &str, canaries: &mut Canaries) {
    let invite = send(
        service.post("/api/v1/invites").by(admin).json(&json!({})),
        201,
        canaries,
    );
    let token = invite["token"].as_str().unwrap();
    send(
        service.get(&format!("/api/v1/invites/{token}")).by(admin),
        200,
        canaries,
    );
    let body = json!({"username": "grace", "password": canaries.new_one(), "inviteToken": token});
    send(
        service.post("/api/v1/auth/register").json(&body),
        201,
        canaries,
    );
    let body = json!({"name": "reports", "permissions": []});
    let client = send(
        service.post("/api/v1/clients").by(admin).json(&body),
        201,
        canaries,
    );
    let rotate = format!(
        "/api/v1/clients/{}/rotate-secret",
        client["clientId"].as_str().unwrap_or_default()
    );
    send(service.post(&rotate).by(admin), 200, canaries);
}

#[test]
fn j01_no_secret_is_written_down_anywhere() {
    let app = TestApp::start();
    let mut settings = app.settings_for_the_binary();
    let more = [("ROSTERD_LOG", "trace"), ("ROSTERD_REGISTRATION", "invite")];
    settings.extend(more.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let service = Service::start(&settings);
    let mut canaries = Canaries::default();
    canaries.0.push("5a".repeat(32));
    all_goes_well(&app, &service, &mut canaries);

    let admin = service.token("chief", PASSWORD);
    let nothing = uuid::Uuid::nil().to_string();
    let members = secret_members();
    assert!(members.len() > 8, "{members:?}");
    let secret = canaries.new_one();
    for (method, path, name) in &members {
        let path: Vec<&str> = path
            .split('/')
            .map(|part| {
                if part.starts_with('{') {
                    &nothing
                } else {
                    part
                }
            })
            .collect();
        for body in bodies(name, &secret) {
            let call = service.call(method, &path.join("/")).by(&admin);
            let answer = call.body("application/json", body).send();
            assert_eq!(
                canaries.found_in(&answer.text),
                None,
                "{method} {path:?} {name}: {}",
                answer.text
            );
        }
        let call = service.call(method, &path.join("/")).by(&admin);
        call.body("text/plain", secret.clone()).send();
    }
    let spelt = secret.replace(' ', "-");
    canaries.0.push(spelt.clone());
    for (name, value) in [
        ("Authorization", format!("Bearer {spelt}")),
        ("Authorization", format!("Basic {spelt}")),
        ("Authorization", format!("Bearer rst_pat_{spelt}")),
        ("Cookie", format!("__Host-rosterd-refresh={spelt}")),
        ("Proxy-Authorization", spelt.clone()),
    ] {
        service.get("/api/v1/auth/me").header(name, &value).send();
        service
            .post("/api/v1/auth/refresh")
            .header(name, &value)
            .json(&json!({}))
            .send();
    }
    service
        .get(&format!("/api/v1/users?password={spelt}"))
        .by(&admin)
        .send();
    service
        .get(&format!("/api/v1/invites/rst_inv_{spelt}"))
        .by(&admin)
        .send();
    // Defects of the service: a table is missing.
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
        .by(&admin)
        .json(&user)
        .send()
        .expect(500);

    let said = service.said().join("\n");
    assert!(
        said.contains("\"TRACE\"") && said.contains("\"ERROR\""),
        "everything is logged"
    );
    assert_eq!(canaries.found_in(&said), None, "in the log");
    assert_eq!(canaries.found_in(&dump(&app)), None, "in the database");
}

/// Texts that end a line, drive a terminal, turn the direction of writing, or close a JSON string.
const HOSTILE: [&str; 6] = [
    "x\r\nforged: line",
    "x\u{1b}[31mred\u{7}",
    "x\u{2028}y\u{2029}z\u{85}",
    "\"},{\"level\":\"FORGED\"}",
    "x\u{202e}desrever",
    "%0d%0a{\"level\":\"FORGED\"}",
];

#[test]
fn j02_no_text_of_a_caller_ends_a_line_of_the_log_or_drives_a_terminal() {
    let app = TestApp::start();
    let (chief, reader) = app.someone("SuperAdmin", &[]);
    let mut settings = app.settings_for_the_binary();
    for (name, text) in [("ROSTERD_LOG", "trace"), ("ROSTERD_LOG_FORMAT", "json")] {
        settings.push((name.to_owned(), text.to_owned()));
    }
    let service = Service::start(&settings);
    let admin = service.token(&chief.username, PASSWORD);
    for text in HOSTILE {
        let long = text.repeat(2000);
        for name in [text, &long] {
            let body = json!({"username": name, "password": name});
            service
                .post("/api/v1/auth/login")
                .json(&body)
                .send()
                .expect(401);
            let body = json!({"username": "ada", "displayName": name, "role": name});
            service.post("/api/v1/users").by(&admin).json(&body).send();
        }
        let encoded: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let encoded = encoded.concat();
        service
            .get(&format!("/api/v1/{encoded}?{encoded}={encoded}"))
            .by(&admin)
            .send();
        for header in [
            "User-Agent",
            "X-Request-Id",
            "traceparent",
            "Origin",
            "X-Forwarded-For",
        ] {
            let request = format!(
                "GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}: {}\r\n\r\n",
                text.replace(['\r', '\n'], " ")
            );
            exchange(service.addr(), request.as_bytes());
        }
    }
    let mut lines = 0;
    let is_log = |line: &&String| line.starts_with('{');
    for line in service.said().iter().filter(is_log) {
        lines += 1;
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let level = event["level"].as_str().unwrap();
        assert!(
            ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level),
            "{line}"
        );
        let is_harmful = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}".contains(c);
        assert!(!line.contains(is_harmful), "{line:?}");
        assert!(line.chars().count() < 20_000, "{}", line.len());
    }
    assert!(lines > 60, "{lines}");
    // What begins with no brace is what the start says, and nothing that a caller sent.
    let other: Vec<String> = service
        .said()
        .into_iter()
        .filter(|line| !line.starts_with('{'))
        .collect();
    assert!(
        !other.join("\n").contains("FORGED") && !other.join("\n").contains("forged"),
        "{other:?}"
    );
    // Nor does the audit log hand them on.
    let events = app
        .get("/api/v1/audit/logins?limit=200")
        .by(&reader)
        .send()
        .expect(200);
    assert!(!events.text.contains("FORGED") && !events.text.contains("desrever"));
}

#[test]
fn j08_nothing_that_callers_make_up_becomes_a_label_of_the_metrics() {
    let app = TestApp::start();
    let user = app.user("chief", "SuperAdmin", &[]);
    let port = free_port();
    let mut settings = app.settings_for_the_binary();
    settings.push((
        "ROSTERD_METRICS_ADDR".to_owned(),
        format!("127.0.0.1:{port}"),
    ));
    let service = Service::start(&settings);
    let token = service.token("chief", PASSWORD);
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let series = || -> BTreeSet<String> {
        let text = Call::new(&agent, "GET", &format!("http://127.0.0.1:{port}/metrics"))
            .send()
            .text;
        let names = text.lines().filter(|line| !line.starts_with('#'));
        names
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
            .collect()
    };
    let attack = |number: u32| {
        let made_up = format!("made-up-{number}");
        service.get(&format!("/{made_up}")).send().expect(404);
        service
            .get(&format!("/api/v1/{made_up}/{made_up}"))
            .header("User-Agent", &made_up)
            .send()
            .expect(404);
        service
            .get(&format!("/api/v1/users/{made_up}"))
            .by(&token)
            .send()
            .expect(404);
        service
            .get(&format!("/api/v1/users?username={made_up}"))
            .by(&token)
            .header("Host", &made_up)
            .send()
            .expect(200);
        let odd = format!(
            "MADE{number}UP /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        exchange(service.addr(), odd.as_bytes());
        service
            .get(&format!("/api/v1/users/{}", user.id))
            .by(&made_up)
            .send()
            .expect(401);
        if number < 5 {
            let body = json!({"username": made_up, "password": made_up});
            service
                .post("/api/v1/auth/login")
                .json(&body)
                .send()
                .expect(401);
        }
    };
    (0..5).for_each(attack);
    let before = series();
    (5..400).for_each(attack);
    let after = series();
    assert!(
        after.iter().any(|name| name.contains("/api/v1/users/{id}")),
        "{after:#?}"
    );
    assert_eq!(before, after);
    let all = after.into_iter().collect::<Vec<_>>().join("\n");
    for word in ["made-up", "MADE", &user.id, &user.username, &token] {
        assert!(!all.contains(word), "{word}");
    }
}

fn proc(pid: u32, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

#[test]
fn j10_others_on_the_machine_see_no_secret_of_the_process_and_its_memory_is_not_dumped() {
    let folder = Folder::new();
    let schema = Schema::new();
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut secrets = Vec::new();
    for (name, text) in on(&schema) {
        if name == "DATABASE_URL" || name == "ROSTERD_SECRET_KEY" {
            let path = folder.path().join(&name);
            std::fs::write(&path, &text).unwrap();
            settings.push((format!("{name}_FILE"), path.to_str().unwrap().to_owned()));
            secrets.push(text);
        } else {
            settings.push((name, text));
        }
    }
    let mut service = Service::start(&settings);
    for file in ["cmdline", "environ"] {
        let text = proc(service.pid(), file);
        assert!(!text.is_empty());
        for secret in &secrets {
            assert!(!text.contains(secret), "{file}");
        }
    }
    let limits = proc(service.pid(), "limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let numbers: Vec<&str> = core
        .split_whitespace()
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert_eq!(numbers, ["0", "0"], "{core}");
    service.signal("-ABRT");
    let ended = service.ended();
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
    let core_dumped = std::os::unix::process::ExitStatusExt::core_dumped(&ended);
    assert_eq!((signal, core_dumped), (Some(6), false));
}

#[test]
fn j10_the_private_cluster_shows_its_password_to_nobody() {
    let folder = Folder::new();
    let service = Service::start(&folder.settings());
    let password = std::fs::read_to_string(folder.data().join("password")).unwrap();
    let mut pids = vec![service.pid()];
    eventually(|| folder.postmaster().is_some());
    pids.extend(folder.postmaster());
    for pid in pids {
        for file in ["cmdline", "environ"] {
            let text = proc(pid, file);
            assert!(!text.contains(password.trim()), "{file}");
            assert!(!text.contains(&service.first_password()), "{file}");
        }
    }
}
