//! Attacks on logs, the audit log, metrics and the process as seen by other users of the machine.

mod log_injection;
mod metric_labels;
mod process_secrets;
mod secret_leaks;

use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends raw bytes and reads until the connection closes.
fn send_raw_bytes(addr: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}
