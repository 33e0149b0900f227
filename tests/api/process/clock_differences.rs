//! Replicas on machines whose clocks are wrong.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::support::binary::{ServiceProcess, settings_with_administrator};
use crate::support::programs::find_path;
use crate::support::{PASSWORD, Schema, wait_until};

/// The library that changes the time of a process. `None` if it is not installed.
fn faketime_library() -> Option<String> {
    let directories = fs::read_dir("/usr/lib").unwrap().flatten();
    let library = |directory: PathBuf| directory.join("faketime/libfaketime.so.1");
    let found = directories
        .map(|entry| library(entry.path()))
        .find(|path| path.exists());
    let path = find_path(
        found.unwrap_or_else(|| library("/usr/lib".into())),
        "faketime",
    )?;
    Some(path.to_str().unwrap().to_owned())
}

/// Starts a replica whose clock differs by `offset`, such as `-120s`.
fn start_with_clock(settings: &[(String, String)], library: &str, offset: &str) -> ServiceProcess {
    let mut settings = settings.to_vec();
    for (name, value) in [
        ("LD_PRELOAD", library),
        ("FAKETIME", offset),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    ServiceProcess::start(&settings)
}

#[test]
fn replicas_with_wrong_clocks_agree_about_tokens_and_are_not_ready() {
    let Some(library) = faketime_library() else {
        return;
    };
    let schema = Schema::new();
    let mut settings = settings_with_administrator(&schema);
    settings.push(("ROSTERD_ACCESS_TOKEN_TTL".to_owned(), "5s".to_owned()));
    let right = ServiceProcess::start(&settings);
    let wrong = ["-120s", "+3600s", "+20s"]
        .map(|offset| (offset, start_with_clock(&settings, &library, offset)));
    let me = |service: &ServiceProcess, token: &str| {
        service.get("/api/v1/auth/me").bearer(token).send().status
    };
    for (offset, replica) in &wrong {
        // The lifetime of the token is short, so another one is tried if the machine is busy.
        wait_until(|| {
            let token = right.token("admin", PASSWORD);
            me(replica, &token) == 200 && me(&right, &replica.token("admin", PASSWORD)) == 200
        });
        let token = right.token("admin", PASSWORD);
        thread::sleep(Duration::from_secs(6));
        assert_eq!(me(replica, &token), 401, "{offset}");
        let ready = replica.get("/readyz").send();
        if *offset == "+20s" {
            ready.expect(200);
        } else {
            let problem = ready.expect_problem(503, "overloaded");
            assert!(problem.text.contains("clock"), "{}", problem.text);
        }
    }
}
