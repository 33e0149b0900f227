//! Label cardinality of the metrics.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::binary::ServiceProcess;
use crate::support::programs::free_port;
use crate::support::{PASSWORD, RequestBuilder, TestApp};

use super::send_raw_bytes;

// SECURITY: J08
#[test]
fn metric_labels_contain_no_caller_supplied_text() {
    let app = TestApp::start();
    let user = app.create_user("chief", "SuperAdmin", &[]);
    let port = free_port();
    let mut settings = app.binary_settings();
    settings.push((
        "ROSTERD_METRICS_ADDR".to_owned(),
        format!("127.0.0.1:{port}"),
    ));
    let service = ServiceProcess::start(&settings);
    let token = service.token("chief", PASSWORD);
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let series_names = || -> BTreeSet<String> {
        let text = RequestBuilder::new(&agent, "GET", &format!("http://127.0.0.1:{port}/metrics"))
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
            .bearer(&token)
            .send()
            .expect(404);
        service
            .get(&format!("/api/v1/users?username={made_up}"))
            .bearer(&token)
            .header("Host", &made_up)
            .send()
            .expect(200);
        let odd = format!(
            "MADE{number}UP /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        send_raw_bytes(service.addr(), odd.as_bytes());
        service
            .get(&format!("/api/v1/users/{}", user.id))
            .bearer(&made_up)
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
    let before = series_names();
    (5..400).for_each(attack);
    let after = series_names();
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
