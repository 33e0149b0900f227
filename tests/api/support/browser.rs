//! Chromium, controlled through `WebDriver`.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::programs::{ExternalProgram, find_program, free_port, program_directory};

/// A headless browser.
pub struct Browser {
    agent: ureq::Agent,
    session: String,
    _driver: ExternalProgram,
}

impl Browser {
    /// Starts a browser. `None` if chromedriver is not installed (see [`find_program`]).
    pub fn start() -> Option<Self> {
        let chromedriver = find_program(&["chromedriver"], "chromium-driver")?;
        let port = free_port();
        let directory = program_directory("browser", port);
        let profile = directory.join("profile");
        let mut command = Command::new(chromedriver);
        command
            .arg(format!("--port={port}"))
            .env("HOME", &directory);
        let driver = ExternalProgram::start(&mut command, directory, port);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": arguments}
        }}});
        let mut browser = Self {
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            _driver: driver,
        };
        let created = browser.send_command("POST", "", &capabilities);
        browser.session = format!(
            "{}/{}",
            browser.session,
            created["sessionId"].as_str().unwrap()
        );
        Some(browser)
    }

    /// Opens a URL in the current tab.
    pub fn open(&self, url: &str) {
        self.send_command("POST", "/url", &json!({"url": url}));
    }

    /// The URL of the current tab.
    pub fn url(&self) -> String {
        self.send_command("GET", "/url", &Value::Null)
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Opens a tab, switches to it and returns its handle.
    pub fn new_tab(&self) -> String {
        let created = self.send_command("POST", "/window/new", &json!({"type": "tab"}));
        let handle = created["handle"].as_str().unwrap().to_owned();
        self.switch_to_tab(&handle);
        handle
    }

    /// The handle of the current tab.
    pub fn current_tab(&self) -> String {
        self.send_command("GET", "/window", &Value::Null)
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Switches to another tab.
    pub fn switch_to_tab(&self, handle: &str) {
        self.send_command("POST", "/window", &json!({ "handle": handle }));
    }

    /// Runs JavaScript in the page and returns its result.
    pub fn run_script(&self, script: &str) -> Value {
        self.send_command(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// Waits until a JavaScript condition is true in the page.
    #[track_caller]
    pub fn wait_for_condition(&self, condition: &str) {
        for _ in 0..600 {
            if self.run_script(&format!("return Boolean({condition})")) == json!(true) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "not met: {condition}, at {}: {}",
            self.url(),
            self.run_script("return document.body.innerText")
        );
    }

    fn send_command(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("Content-Type", "application/json");
        let body = if method == "GET" {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let mut response = self.agent.run(request.body(body).unwrap()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        assert!(response.status().is_success(), "{method} {path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Deleting the session ends Chromium.
        let request = ureq::http::Request::delete(&self.session)
            .body(Vec::<u8>::new())
            .unwrap();
        let _ = self.agent.run(request);
    }
}
