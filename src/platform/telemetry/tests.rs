//! Lines as they arrive, from a subscriber of the test's own and from a process of its own.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `act` logs.
fn logged(shape: Shape, act: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = subscriber(EnvFilter::new("trace"), shape, move || writer.clone());
    tracing::subscriber::with_default(subscriber, act);
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

/// The one JSON object that `act` logs.
fn object(act: impl FnOnce()) -> Value {
    let text = logged(Shape::Json, act);
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn json_has_the_fields_of_the_event_and_of_its_spans() {
    let line = object(|| {
        let outer = tracing::info_span!("request", traceId = "abc", status = tracing::field::Empty);
        outer.record("status", 201);
        let _outer = outer.entered();
        let _inner = tracing::info_span!("act", name = "x").entered();
        tracing::warn!(target: "rosterd::here", count = 3, ratio = 0.5, odd = f64::NAN, yes = true, list = ?["a"], "said \"{}\"", 1);
    });
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    let expected = serde_json::json!({
        "timestamp": line["timestamp"], "level": "WARN", "target": "rosterd::here", "traceId": "abc", "status": 201,
        "name": "x", "count": 3, "ratio": 0.5, "odd": "NaN", "yes": true, "list": "[\"a\"]", "message": "said \"1\"",
    });
    assert_eq!(line, expected);
}

#[test]
fn text_has_the_message_then_the_fields() {
    let text = logged(Shape::Text, || {
        let _span = tracing::info_span!("request", traceId = "abc").entered();
        tracing::info!(target: "rosterd::here", path = "/a \"b\"", count = 3, "it's \"done\"");
    });
    let (_, line) = text.split_once("Z ").unwrap();
    assert_eq!(
        line,
        " INFO rosterd::here: it's \"done\" path=\"/a \\\"b\\\"\" count=3 traceId=\"abc\"\n"
    );
}

const HOSTILE: &str = "bob\r\n2026-01-01 INFO forged\u{1b}[31m\u{9b}\u{2028}\u{2029}\u{202e}\u{feff}\u{7f}\0\"},{\"x\":\"";

#[test]
fn a_hostile_text_is_one_line_in_both_shapes() {
    let act = || {
        let _span = tracing::info_span!("request", path = HOSTILE).entered();
        tracing::info!(username = HOSTILE, agent = ?HOSTILE, "sign-in of {HOSTILE}");
    };
    let line = object(act);
    assert_eq!(line["username"], HOSTILE);
    assert_eq!(line["path"], HOSTILE);
    assert_eq!(line["message"], format!("sign-in of {HOSTILE}"));
    for shape in [Shape::Json, Shape::Text] {
        let text = logged(shape, act);
        let line = text.strip_suffix('\n').unwrap();
        let harmless = |c: char| !c.is_control() && !"\u{2028}\u{2029}\u{202e}\u{feff}".contains(c);
        assert!(line.chars().all(harmless), "{line:?}");
    }
}

#[test]
fn a_long_text_is_cut() {
    let line = object(|| tracing::info!(path = "é".repeat(1 << 20), "{}", "m".repeat(1 << 20)));
    assert_eq!(line["path"], "é".repeat(line::LONGEST_VALUE) + "…");
    assert_eq!(
        line["message"].as_str().unwrap().chars().count(),
        line::LONGEST_VALUE + 1
    );
}

proptest! {
    #[test]
    fn any_text_arrives_whole_in_one_json_line(name in any::<String>(), detail in any::<String>()) {
        let line = object(|| tracing::info!(username = name, "{detail}"));
        prop_assert_eq!(&line["username"], &name);
        prop_assert_eq!(&line["message"], &detail);
    }
}

/// Runs one of the ignored tests below as a process of its own.
fn alone(test: &str) -> Child {
    Command::new("/proc/self/exe")
        .args([
            "--exact",
            &format!("telemetry::tests::{test}"),
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_panic_is_one_line_without_what_it_was_made_of() {
    let output = alone("panics").wait_with_output().unwrap();
    let lines: Vec<Value> = String::from_utf8(output.stderr)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [formatted, literal] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(formatted["message"], "panicked");
    assert_eq!(formatted["level"], "ERROR");
    assert_eq!(formatted["thread"], "worker");
    assert_eq!(formatted["reason"], "not shown");
    assert!(
        formatted["location"]
            .as_str()
            .unwrap()
            .starts_with("src/telemetry/tests.rs:")
    );
    assert_eq!(literal["reason"], "a literal");
}

#[test]
#[ignore = "run by a_panic_is_one_line_without_what_it_was_made_of"]
fn panics() {
    init("info", LogFormat::Auto).unwrap();
    let worker = |act: fn()| {
        let thread = thread::Builder::new().name("worker".into()).spawn(act);
        assert!(thread.unwrap().join().is_err());
    };
    worker(|| panic!("{}", "hunter2".repeat(2)));
    worker(|| panic!("a literal"));
}

#[test]
fn a_lost_log_stops_nothing() {
    let mut child = alone("goes_on_without_a_log");
    drop(child.stderr.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("still here"),
        "{said}"
    );
}

#[test]
#[ignore = "run by a_lost_log_stops_nothing"]
fn goes_on_without_a_log() {
    init("info", LogFormat::Json).unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    assert!(writeln!(io::stderr(), "nobody reads this").is_err());
    for _ in 0..100 {
        tracing::info!("nobody reads this");
    }
    assert!(thread::spawn(|| panic!("nor this")).join().is_err());
    writeln!(io::stdout(), "still here").unwrap();
}
