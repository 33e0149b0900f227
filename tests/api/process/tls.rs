//! TLS without a proxy: `ROSTERD_TLS_CERT` and `ROSTERD_TLS_KEY`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::binary::{
    ServiceProcess, TempDir, database_settings, expect_error_line, run_rosterd,
};
use crate::support::certificates::Certificate;
use crate::support::programs::find_program;
use crate::support::{Schema, wait_until};

type Settings = Vec<(String, String)>;

const HOSTS: &[&str] = &["localhost", "127.0.0.1"];

/// Calls `/livez` with curl and returns the status code; `000` if there is no TLS connection.
fn status(base: &str, ca: &Path, options: &[&str]) -> String {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ])
        .arg("--cacert")
        .arg(ca)
        .args(options)
        .arg(format!("{base}/livez"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn with(mut settings: Settings, more: Settings) -> Settings {
    settings.extend(more);
    settings
}

#[test]
fn service_with_a_certificate_speaks_tls_1_2_and_1_3_only() {
    if find_program(&["curl"], "curl").is_none() {
        return;
    }
    let dir = TempDir::new();
    let certificate = Certificate::create(dir.path(), "own", HOSTS);
    let schema = Schema::new();
    let settings = with(database_settings(&schema), certificate.settings());
    let service = ServiceProcess::start(&settings);
    assert!(
        service.base.starts_with("https://127.0.0.1:"),
        "{}",
        service.base
    );
    let status = |options: &[&str]| status(&service.base, &certificate.cert, options);
    assert_eq!(status(&["--tlsv1.2", "--tls-max", "1.2"]), "200");
    assert_eq!(status(&["--tlsv1.3"]), "200");
    assert_eq!(status(&["--http1.1"]), "200");
    let old = [
        "--tlsv1.0",
        "--tls-max",
        "1.1",
        "--ciphers",
        "DEFAULT@SECLEVEL=0",
    ];
    assert_eq!(status(&old), "000");

    let mut health_settings = settings;
    let addr = service.base.strip_prefix("https://").unwrap().to_owned();
    health_settings.push(("ROSTERD_ADDR".to_owned(), addr));
    let health = run_rosterd(&["health"], &health_settings, "");
    assert!(health.status.success(), "{health:?}");
    let other = Certificate::create(dir.path(), "other", HOSTS);
    let health = run_rosterd(&["health"], &with(health_settings, other.settings()), "");
    assert!(
        !health.status.success(),
        "another certificate is not accepted"
    );
}

/// A TLS connection that is held open by `openssl s_client`.
struct OpenConnection(Child);

impl OpenConnection {
    fn new(addr: &str) -> Self {
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-quiet", "-connect", addr])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn connection_limit_holds_for_tls_connections() {
    let programs = ["curl", "openssl"].map(|name| find_program(&[name], name));
    if programs.contains(&None) {
        return;
    }
    let dir = TempDir::new();
    let certificate = Certificate::create(dir.path(), "own", HOSTS);
    let schema = Schema::new();
    let limit = vec![("ROSTERD_MAX_CONNECTIONS".to_owned(), "10".to_owned())];
    let settings = with(database_settings(&schema), certificate.settings());
    let service = ServiceProcess::start(&with(settings, limit));
    let addr = service.base.strip_prefix("https://").unwrap();
    let mut held = Vec::new();
    wait_until(|| {
        held.push(OpenConnection::new(addr));
        status(&service.base, &certificate.cert, &[]) == "503"
    });
    held.clear();
    wait_until(|| status(&service.base, &certificate.cert, &[]) == "200");
}

#[test]
fn changed_certificate_is_used_without_a_restart() {
    if find_program(&["curl"], "curl").is_none() {
        return;
    }
    let dir = TempDir::new();
    let certificate = Certificate::create(dir.path(), "own", HOSTS);
    let old = dir.path().join("old.pem");
    std::fs::copy(&certificate.cert, &old).unwrap();
    let schema = Schema::new();
    let mut service =
        ServiceProcess::start(&with(database_settings(&schema), certificate.settings()));
    assert_eq!(status(&service.base, &old, &[]), "200");

    // A file that cannot be used changes nothing.
    let key = std::fs::read(&certificate.key).unwrap();
    std::fs::write(&certificate.key, "not a key").unwrap();
    service.wait_for_output("the changed TLS certificate cannot be used");
    assert_eq!(status(&service.base, &old, &[]), "200");
    std::fs::write(&certificate.key, key).unwrap();

    Certificate::create(dir.path(), "own", HOSTS);
    wait_until(|| status(&service.base, &certificate.cert, &[]) == "200");
    assert_eq!(status(&service.base, &old, &[]), "000");
}

#[test]
fn unusable_certificate_prevents_the_start_and_is_named() {
    let schema = Schema::new();
    let dir = TempDir::new();
    let own = Certificate::create(dir.path(), "own", HOSTS);
    let other = Certificate::create(dir.path(), "other", HOSTS);
    let missing = dir.path().join("missing.pem");
    for (cert, key, expected) in [
        (&missing, &own.key, "ROSTERD_TLS_CERT: "),
        (&own.key, &own.key, "ROSTERD_TLS_CERT: "),
        (&own.cert, &missing, "ROSTERD_TLS_KEY: "),
        (&own.cert, &own.cert, "ROSTERD_TLS_KEY: "),
        (&own.cert, &other.key, "ROSTERD_TLS_KEY: "),
    ] {
        let pair = Certificate {
            cert: cert.clone(),
            key: key.clone(),
        };
        let settings = with(database_settings(&schema), pair.settings());
        let line = expect_error_line(&run_rosterd(&["serve"], &settings, ""));
        assert!(line.starts_with(expected), "{line}");
    }
}
