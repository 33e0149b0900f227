//! The log: one line on stderr for each event, JSON for machines and text for people, and one for each panic.
//! Nothing that a caller sends can make a second line, and a log that nobody takes any more stops nothing.

mod line;

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
use line::Shape;

/// Sends what `directives` let through (`info`, `info,rosterd=debug`) to stderr, and every panic as an event.
/// Called once, before there is anything to log.
///
/// # Errors
/// When the directives can't be read, or a log was set up before.
pub fn init(directives: &str, format: LogFormat) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = EnvFilter::try_new(directives)?;
    let shape = match format {
        LogFormat::Text => Shape::Text,
        LogFormat::Auto if io::stderr().is_terminal() => Shape::Text,
        LogFormat::Auto | LogFormat::Json => Shape::Json,
    };
    subscriber(filter, shape, io::stderr).try_init()?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(filter: EnvFilter, shape: Shape, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .fmt_fields(shape)
        .event_format(shape)
        .with_writer(writer)
        // It would tell stderr that stderr is gone, and panic over it.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(filter).with(lines)
}

/// A formatted message may hold anything, a secret too; only a literal is sure to hold nothing but what the source says.
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
