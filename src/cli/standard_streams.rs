//! Writing to standard output and standard error.

use std::io::Write;

use crate::platform::start_error::StartError;

/// Writes to standard output and flushes it.
pub fn print_stdout(text: &str) -> Result<(), StartError> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| StartError::Io("can't write the output", error))
}

/// Writes a line to standard error. Ignores errors: a message is not part of the result.
pub fn print_stderr(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
