//! The values of the metrics, the limit of time series, and the metrics server.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::platform::error::Code;

fn metrics() -> Metrics {
    Metrics::new(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap()
}

fn observe_response(metrics: &Metrics, method: &'static str, route: &str, status: u16) {
    metrics.observe(&RequestRecord {
        method,
        route,
        status,
        error: (status == 404).then_some(Code::NotFound),
        duration: Duration::from_millis(3),
    });
}

fn assert_has_line(page: &str, line: &str) {
    assert!(
        page.lines().any(|page_line| page_line == line),
        "{line}\nin\n{page}"
    );
}

fn value(page: &str, name: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn responses_are_counted_and_timed_by_route() {
    let metrics = metrics();
    observe_response(&metrics, "GET", "/api/v1/users/{id}", 200);
    observe_response(&metrics, "GET", "/api/v1/users/{id}", 200);
    observe_response(&metrics, "POST", "none", 404);
    let page = metrics.render();
    assert_has_line(
        &page,
        "http_requests_total{method=\"GET\",route=\"/api/v1/users/{id}\",status=\"200\"} 2",
    );
    assert_has_line(
        &page,
        "http_requests_total{method=\"POST\",route=\"none\",status=\"404\"} 1",
    );
    assert_has_line(
        &page,
        "http_errors_total{code=\"not_found\",route=\"none\"} 1",
    );
    assert_has_line(
        &page,
        "http_request_duration_seconds_count{route=\"/api/v1/users/{id}\"} 2",
    );
    assert_has_line(
        &page,
        "http_request_duration_seconds_bucket{route=\"none\",le=\"+Inf\"} 1",
    );
    assert_has_line(&page, "# TYPE http_request_duration_seconds histogram");
}

#[test]
fn unknown_routes_share_one_time_series() {
    let metrics = metrics();
    for i in 0..10_000 {
        observe_response(&metrics, "GET", &format!("/users/{i}"), 200);
    }
    let page = metrics.render();
    let count_series = |name: &str| page.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(count_series("http_requests_total{"), MAX_ROUTES + 1);
    assert_eq!(
        count_series("http_request_duration_seconds_count{"),
        MAX_ROUTES + 1
    );
    let others = 10_000 - MAX_ROUTES;
    assert_has_line(
        &page,
        &format!("http_requests_total{{method=\"GET\",route=\"other\",status=\"200\"}} {others}"),
    );
}

#[test]
fn callbacks_are_called_at_each_scrape() {
    let metrics = metrics();
    let count = Arc::new(AtomicU32::new(0));
    for name in ["rosterd_hashes_total", "rosterd_hash_queue_length"] {
        let count = count.clone();
        let read = move || f64::from(count.fetch_add(1, Ordering::Relaxed));
        metrics.register_callback(name, "Test.", read).unwrap();
    }
    let _ = metrics.render();
    let page = metrics.render();
    assert_has_line(&page, "# TYPE rosterd_hashes_total counter");
    assert_has_line(&page, "# TYPE rosterd_hash_queue_length gauge");
    let read = value(&page, "rosterd_hashes_total ") + value(&page, "rosterd_hash_queue_length ");
    assert!((read - 5.0).abs() < f64::EPSILON, "2 and 3: {page}");
    assert!(
        metrics
            .register_callback("rosterd_hashes_total", "Test.", || 0.0)
            .is_err()
    );
    assert!(
        metrics
            .register_callback("rosterd hashes", "Test.", || 0.0)
            .is_err()
    );
}

#[test]
fn process_metrics_and_version_are_included() {
    let page = metrics().render();
    let version = env!("CARGO_PKG_VERSION");
    assert_has_line(
        &page,
        &format!("rosterd_build_info{{version=\"{version}\"}} 1"),
    );
    assert_has_line(&page, "process_start_time_seconds 1700000000");
    assert!(value(&page, "process_resident_memory_bytes ") > 1_000_000.0);
    assert!(value(&page, "process_open_fds ") >= 3.0);
}

#[test]
fn metrics_server_answers_only_get_metrics() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (handle, thread) = {
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = serve(metrics(), listener).unwrap();
                sender.send(server.handle()).unwrap();
                server.await
            })
        });
        (receiver.recv().unwrap(), thread)
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut page = agent.get(format!("{base}/metrics")).call().unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/plain; version=0.0.4");
    assert!(
        page.body_mut()
            .read_to_string()
            .unwrap()
            .contains("# TYPE process_open_fds gauge")
    );
    for path in ["/", "/metrics/", "/livez", "/Metrics"] {
        assert_eq!(
            agent.get(format!("{base}{path}")).call().unwrap().status(),
            404,
            "{path}"
        );
    }
    assert_eq!(
        agent
            .post(format!("{base}/metrics"))
            .send_empty()
            .unwrap()
            .status(),
        404
    );
    drop(handle.stop(false));
    thread.join().unwrap().unwrap();
}
