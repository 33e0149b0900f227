//! The log lines, captured in this process and in a child process.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Collects everything that is written.
#[derive(Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text that `run` logs.
fn log_output(line_format: LineFormat, run: impl FnOnce()) -> String {
    let buffer = SharedBuffer::default();
    let writer = buffer.clone();
    let subscriber = subscriber(EnvFilter::new("trace"), line_format, move || writer.clone());
    tracing::subscriber::with_default(subscriber, run);
    String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
}

/// The single JSON line that `run` logs.
fn json_line(run: impl FnOnce()) -> Value {
    let text = log_output(LineFormat::Json, run);
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn json_line_has_the_fields_of_the_event_and_its_spans() {
    let line = json_line(|| {
        let outer = tracing::info_span!("request", traceId = "abc", status = tracing::field::Empty);
        outer.record("status", 201);
        let _outer = outer.entered();
        let _inner = tracing::info_span!("operation", name = "x").entered();
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
fn text_line_has_the_message_before_the_fields() {
    let text = log_output(LineFormat::Text, || {
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
fn hostile_text_stays_on_one_line_in_both_formats() {
    let log_hostile = || {
        let _span = tracing::info_span!("request", path = HOSTILE).entered();
        tracing::info!(username = HOSTILE, agent = ?HOSTILE, "sign-in of {HOSTILE}");
    };
    let line = json_line(log_hostile);
    assert_eq!(line["username"], HOSTILE);
    assert_eq!(line["path"], HOSTILE);
    assert_eq!(line["message"], format!("sign-in of {HOSTILE}"));
    for line_format in [LineFormat::Json, LineFormat::Text] {
        let text = log_output(line_format, log_hostile);
        let line = text.strip_suffix('\n').unwrap();
        let is_harmless =
            |c: char| !c.is_control() && !"\u{2028}\u{2029}\u{202e}\u{feff}".contains(c);
        assert!(line.chars().all(is_harmless), "{line:?}");
    }
}

#[test]
fn long_text_is_truncated() {
    let line = json_line(|| tracing::info!(path = "é".repeat(1 << 20), "{}", "m".repeat(1 << 20)));
    assert_eq!(line["path"], "é".repeat(line_format::MAX_VALUE_CHARS) + "…");
    assert_eq!(
        line["message"].as_str().unwrap().chars().count(),
        line_format::MAX_VALUE_CHARS + 1
    );
}

proptest! {
    #[test]
    fn any_text_is_unchanged_in_one_json_line(name in any::<String>(), detail in any::<String>()) {
        let line = json_line(|| tracing::info!(username = name, "{detail}"));
        prop_assert_eq!(&line["username"], &name);
        prop_assert_eq!(&line["message"], &detail);
    }
}

/// Environment variable of the child process. If it is set, a test writes the log output; if not, it starts the child process
/// and checks that output.
const CHILD_PROCESS: &str = "ROSTERD_TEST_CHILD_PROCESS";

/// Whether this process was started by [`run_in_child_process`].
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is not a setting of the service"
)]
fn is_child_process() -> bool {
    std::env::var_os(CHILD_PROCESS).is_some()
}

/// Runs a test of this module in a child process.
fn run_in_child_process(test: &str) -> Child {
    // `module_path!` begins with the crate name, the names of tests do not.
    let (_, module) = module_path!().split_once("::").unwrap();
    Command::new("/proc/self/exe")
        .args(["--exact", &format!("{module}::{test}"), "--nocapture"])
        .env(CHILD_PROCESS, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn panic_is_one_line_and_a_formatted_message_is_not_logged() {
    if is_child_process() {
        panic_in_two_threads();
        return;
    }
    let test = "panic_is_one_line_and_a_formatted_message_is_not_logged";
    let output = run_in_child_process(test).wait_with_output().unwrap();
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
    let location = formatted["location"].as_str().unwrap();
    assert!(location.starts_with(concat!(file!(), ":")), "{location}");
    assert_eq!(literal["reason"], "a literal");
}

fn panic_in_two_threads() {
    init("info", LogFormat::Auto).unwrap();
    let run_in_thread = |run: fn()| {
        let thread = thread::Builder::new().name("worker".into()).spawn(run);
        assert!(thread.unwrap().join().is_err());
    };
    run_in_thread(|| panic!("{}", "hunter2".repeat(2)));
    run_in_thread(|| panic!("a literal"));
}

#[test]
fn closed_stderr_does_not_stop_the_process() {
    if is_child_process() {
        log_to_closed_stderr();
        return;
    }
    let mut child = run_in_child_process("closed_stderr_does_not_stop_the_process");
    drop(child.stderr.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && stdout.contains("still running"),
        "{stdout}"
    );
}

/// Waits until the parent has closed stdin, and with it the other end of stderr.
fn log_to_closed_stderr() {
    init("info", LogFormat::Json).unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    assert!(writeln!(io::stderr(), "lost").is_err());
    for _ in 0..100 {
        tracing::info!("lost");
    }
    let panicked = thread::spawn(|| panic!("lost")).join().is_err();
    assert!(panicked);
    writeln!(io::stdout(), "still running").unwrap();
}
