//! Chromium, driven through `WebDriver`.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::{Program, folder, free_port, is_there};

/// A browser without a window.
pub struct Browser {
    agent: ureq::Agent,
    session: String,
    _driver: Program,
}

impl Browser {
    /// Starts one, or `None` where there is none.
    pub fn start() -> Option<Self> {
        is_there("chromedriver").then_some(())?;
        let port = free_port();
        let folder = folder("browser", port);
        let profile = folder.join("profile");
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).env("HOME", &folder);
        let driver = Program::start(&mut command, folder, port);
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
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": arguments}
        }}});
        let mut browser = Self {
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            _driver: driver,
        };
        let made = browser.ask("POST", "", &wanted);
        browser.session = format!(
            "{}/{}",
            browser.session,
            made["sessionId"].as_str().unwrap()
        );
        Some(browser)
    }

    /// Opens this address in the tab in use.
    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// The address that the tab in use shows.
    pub fn address(&self) -> String {
        self.ask("GET", "/url", &Value::Null)
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Opens another tab and uses it; its name.
    pub fn new_tab(&self) -> String {
        let made = self.ask("POST", "/window/new", &json!({"type": "tab"}));
        let name = made["handle"].as_str().unwrap().to_owned();
        self.use_tab(&name);
        name
    }

    /// The name of the tab in use.
    pub fn tab(&self) -> String {
        self.ask("GET", "/window", &Value::Null)
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Uses another tab.
    pub fn use_tab(&self, name: &str) {
        self.ask("POST", "/window", &json!({"handle": name}));
    }

    /// Runs this in the page; what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// Waits until this is true in the page.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        for _ in 0..600 {
            if self.run(&format!("return Boolean({condition})")) == json!(true) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "never: {condition}, at {}: {}",
            self.address(),
            self.run("return document.body.innerText")
        );
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("Content-Type", "application/json");
        let body = if method == "GET" {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let mut answer = self.agent.run(request.body(body).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium with it.
        let request = ureq::http::Request::delete(&self.session)
            .body(Vec::<u8>::new())
            .unwrap();
        let _ = self.agent.run(request);
    }
}
