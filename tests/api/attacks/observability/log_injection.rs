//! Caller text that tries to split log lines or to control a terminal.

use serde_json::{Value, json};

use crate::support::binary::ServiceProcess;
use crate::support::{PASSWORD, TestApp};

use super::send_raw_bytes;

/// Line breaks, terminal escapes, a change of the writing direction, and text that closes a JSON string.
const HOSTILE: [&str; 6] = [
    "x\r\nforged: line",
    "x\u{1b}[31mred\u{7}",
    "x\u{2028}y\u{2029}z\u{85}",
    "\"},{\"level\":\"FORGED\"}",
    "x\u{202e}desrever",
    "%0d%0a{\"level\":\"FORGED\"}",
];

// SECURITY: J02
#[test]
fn caller_text_cannot_split_log_lines_or_control_a_terminal() {
    let app = TestApp::start();
    let (super_admin, reader_token) = app.create_signed_in_user("SuperAdmin", &[]);
    let mut settings = app.binary_settings();
    for (name, text) in [("ROSTERD_LOG", "trace"), ("ROSTERD_LOG_FORMAT", "json")] {
        settings.push((name.to_owned(), text.to_owned()));
    }
    let service = ServiceProcess::start(&settings);
    let admin = service.token(&super_admin.username, PASSWORD);
    for text in HOSTILE {
        let long_text = text.repeat(2000);
        for name in [text, &long_text] {
            let body = json!({"username": name, "password": name});
            service
                .post("/api/v1/auth/login")
                .json(&body)
                .send()
                .expect(401);
            let body = json!({"username": "ada", "displayName": name, "role": name});
            service
                .post("/api/v1/users")
                .bearer(&admin)
                .json(&body)
                .send();
        }
        let encoded: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let encoded = encoded.concat();
        service
            .get(&format!("/api/v1/{encoded}?{encoded}={encoded}"))
            .bearer(&admin)
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
            send_raw_bytes(service.addr(), request.as_bytes());
        }
    }
    let mut lines = 0;
    let is_log = |line: &&String| line.starts_with('{');
    for line in service.output().iter().filter(is_log) {
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
    // The other lines are start-up messages and contain no caller text.
    let startup_lines: Vec<String> = service
        .output()
        .into_iter()
        .filter(|line| !line.starts_with('{'))
        .collect();
    assert!(
        !startup_lines.join("\n").contains("FORGED")
            && !startup_lines.join("\n").contains("forged"),
        "{startup_lines:?}"
    );
    // The audit log does not return caller text either.
    let events = app
        .get("/api/v1/audit/logins?limit=200")
        .bearer(&reader_token)
        .send()
        .expect(200);
    assert!(!events.text.contains("FORGED") && !events.text.contains("desrever"));
}
