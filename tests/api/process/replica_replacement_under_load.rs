//! Replacement of replicas under load.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::binary::{ServiceProcess, settings_with_administrator};
use crate::support::programs::{ExternalProgram, free_port};
use crate::support::{PASSWORD, RequestBuilder, Schema};

/// Replicas are replaced one by one while accounts are created and read through nginx. No request fails in the service, and
/// every acknowledged account exists. A connection that was accepted by the kernel while the listener closed is reset, and
/// nginx does not retry a POST; the caller retries it with its idempotency key.
// SECURITY: K02
#[test]
#[ignore = "long: run by make test-long"]
fn replacing_replicas_one_by_one_fails_no_request() {
    let schema = Schema::new();
    let ports = [free_port(), free_port()];
    let start = |port: u16| {
        let mut settings = settings_with_administrator(&schema);
        for (name, value) in [
            ("ROSTERD_ADDR", format!("127.0.0.1:{port}")),
            ("ROSTERD_PUBLIC_URL", "https://id.example.org".to_owned()),
            ("ROSTERD_DRAIN_DELAY_SECONDS", "1".to_owned()),
        ] {
            settings.push((name.to_owned(), value));
        }
        ServiceProcess::start(&settings)
    };
    let mut replicas = ports.map(|port| Some(start(port)));
    let token = replicas[0].as_ref().unwrap().token("admin", PASSWORD);
    let port = free_port();
    let server = format!(
        "upstream app {{ server 127.0.0.1:{} max_fails=0; server 127.0.0.1:{} max_fails=0; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; proxy_connect_timeout 1s; }} }}",
        ports[0], ports[1]
    );
    let Some(_nginx) = ExternalProgram::nginx(&server, port) else {
        return;
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let base = format!("http://127.0.0.1:{port}");
    let is_finished = AtomicBool::new(false);
    let created: Vec<String> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (agent, base, token, is_finished) = (&agent, &base, &token, &is_finished);
                scope.spawn(move || {
                    let mut created = Vec::new();
                    while !is_finished.load(Ordering::Relaxed) {
                        let name = format!("caller-{caller}-{}", created.len());
                        let body = json!({"username": name, "role": "User"});
                        let users = format!("{base}/api/v1/users");
                        let create = || {
                            let call = RequestBuilder::new(agent, "POST", &users)
                                .bearer(token)
                                .json(&body);
                            call.header("Idempotency-Key", &name).send()
                        };
                        let mut response = create();
                        while response.status == 502 {
                            assert!(response.text.contains("nginx"), "{}", response.text);
                            response = create();
                        }
                        response.expect(201);
                        let me = format!("{base}/api/v1/auth/me");
                        RequestBuilder::new(agent, "GET", &me)
                            .bearer(token)
                            .send()
                            .expect(200);
                        created.push(name);
                    }
                    created
                })
            })
            .collect();
        for round in 0..4 {
            let replica = &mut replicas[round % 2];
            let mut old = replica.take().unwrap();
            old.signal("-TERM");
            assert!(old.wait_for_exit().success());
            *replica = Some(start(ports[round % 2]));
        }
        is_finished.store(true, Ordering::Relaxed);
        callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap())
            .collect()
    });
    assert!(created.len() > 20);
    let service = replicas[0].as_ref().unwrap();
    for name in &created {
        let response = service
            .get(&format!("/api/v1/users?username={name}"))
            .bearer(&token)
            .send();
        assert_eq!(response.expect(200).data()[0]["username"], json!(name));
    }
}
