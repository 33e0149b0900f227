//! The log on stderr: one line per event, as JSON or text, and one line per panic. No value can add a second line, and a
//! closed stderr does not stop the service.

mod line_format;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::platform::config::LogFormat;
use line_format::LineFormat;

/// Starts to log the events that match `directives` (`info`, `info,rosterd=debug`) and all panics to stderr. Must be
/// called once, before the first event.
///
/// # Errors
/// The directives are invalid, or the log is already initialized.
pub fn init(directives: &str, format: LogFormat) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = EnvFilter::try_new(directives)?;
    let line_format = match format {
        LogFormat::Text => LineFormat::Text,
        LogFormat::Auto if io::stderr().is_terminal() => LineFormat::Text,
        LogFormat::Auto | LogFormat::Json => LineFormat::Json,
    };
    subscriber(filter, line_format, io::stderr).try_init()?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    filter: EnvFilter,
    line_format: LineFormat,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer()
        .fmt_fields(line_format)
        .event_format(line_format)
        .with_writer(writer)
        // If stderr is closed, reporting that error on stderr would panic.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(filter).with(layer)
}

/// Logs a panic. Its message is logged only if it is a literal, because a formatted message may contain a secret.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let reason = panic.payload().downcast_ref::<&'static str>();
    let location = panic.location().map(ToString::to_string);
    tracing::error!(
        location = location.as_deref().unwrap_or("unknown"),
        thread = thread::current().name().unwrap_or("unnamed"),
        reason = reason.unwrap_or(&"not shown"),
        "panicked"
    );
}
