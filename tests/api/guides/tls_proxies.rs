//! The TLS configurations of `docs/operate.md`, run as written: nginx and Caddy.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::operations_without_body;
use crate::support::binary::TempDir;
use crate::support::certificates::Certificate;
use crate::support::programs::{ExternalProgram, find_program, free_port, guide_code_block};
use crate::support::{PASSWORD, TestApp};

/// With the header that the proxies do not set, a forged one would be used if they passed it on.
const SETTINGS: [(&str, &str); 2] = [
    ("ROSTERD_TRUSTED_PROXIES", "127.0.0.1"),
    ("ROSTERD_FORWARDED_HEADER", "forwarded"),
];

/// The code block of the guide with the files, the port and the address of this test.
fn proxy_config(app: &TestApp, language: &str, certificate: &Certificate) -> String {
    guide_code_block("operate.md", "Behind a proxy", language)
        .replace(
            "/etc/ssl/id.example.org.pem",
            certificate.cert.to_str().unwrap(),
        )
        .replace(
            "/etc/ssl/id.example.org.key",
            certificate.key.to_str().unwrap(),
        )
        .replace("127.0.0.1:8080", &app.addr.to_string())
}

/// Runs curl with these options. `None` if there is no TLS connection.
fn curl(ca: &Path, port: u16, path: &str, options: &[&str]) -> Option<String> {
    let output = Command::new("curl")
        .args(["--silent", "--cacert"])
        .arg(ca)
        .args(["--resolve", &format!("id.example.org:{port}:127.0.0.1")])
        .args(options)
        .arg(format!("https://id.example.org:{port}{path}"))
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

/// Checks the TLS versions and ciphers, and that a forged client address has no effect.
fn check_tls_proxy(app: &TestApp, ca: &Path, port: u16) {
    let accepts = |options: &[&str]| curl(ca, port, "/livez", options).is_some();
    assert!(accepts(&["--tlsv1.2", "--tls-max", "1.2"]));
    assert!(accepts(&["--tlsv1.3"]));
    let old = [
        "--tlsv1.0",
        "--tls-max",
        "1.1",
        "--ciphers",
        "DEFAULT@SECLEVEL=0",
    ];
    assert!(!accepts(&old), "TLS 1.1");
    let cbc = ["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA"];
    assert!(!accepts(&cbc), "a cipher without authenticated encryption");

    app.create_user("ada", "User", &[]);
    let body = format!(r#"{{"username": "ada", "password": "{PASSWORD}"}}"#);
    let response = curl(
        ca,
        port,
        "/api/v1/auth/login",
        &[
            "--header",
            "Forwarded: for=203.0.113.9",
            "--header",
            "X-Forwarded-For: 203.0.113.9",
            "--json",
            &body,
        ],
    );
    let response: Value = serde_json::from_str(&response.unwrap()).unwrap();
    assert_eq!(response["data"]["session"]["ip"], "127.0.0.1", "{response}");
    check_operations_without_body(app, ca, port);
}

/// Calls every operation that needs no body without one: the proxy must pass on the answer of rosterd.
fn check_operations_without_body(app: &TestApp, ca: &Path, port: u16) {
    let token = app.super_admin_token();
    let authorization = format!("Authorization: Bearer {token}");
    let sign_out = ("POST", "/api/v1/auth/logout".to_owned());
    for (method, path) in operations_without_body().into_iter().chain([sign_out]) {
        let options = [
            "--request",
            method,
            "--header",
            &authorization,
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ];
        let proxied = curl(ca, port, &path, &options).unwrap();
        let request = app.call(method, &path).bearer(&token);
        // A sign-out can be repeated.
        let direct = request.send().status;
        assert_eq!(proxied, direct.to_string(), "{method} {path}");
    }
}

fn check(language: &str, start: impl FnOnce(&str, u16) -> Option<ExternalProgram>) {
    if find_program(&["curl"], "curl").is_none() {
        return;
    }
    let app = TestApp::start_with(&SETTINGS);
    let dir = TempDir::new();
    let certificate = Certificate::create(dir.path(), "id", &["id.example.org"]);
    let port = free_port();
    let config = proxy_config(&app, language, &certificate)
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace(
            "id.example.org {",
            &format!("https://id.example.org:{port} {{"),
        );
    if let Some(_proxy) = start(&config, port) {
        check_tls_proxy(&app, &certificate.cert, port);
    }
}

#[test]
fn nginx_accepts_only_current_versions_and_ciphers() {
    check("nginx", ExternalProgram::nginx);
}

#[test]
fn caddy_accepts_only_current_versions_and_ciphers() {
    check("caddy", ExternalProgram::caddy);
}
