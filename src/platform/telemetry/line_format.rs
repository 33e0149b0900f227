//! Formats a log event and the fields of its spans as one line. Text values are truncated and escaped: no value can end
//! the line, send control sequences to a terminal, or hide text.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Longer values are truncated to this number of characters.
pub(super) const MAX_VALUE_CHARS: usize = 4096;

/// The format of the lines.
#[derive(Clone, Copy)]
pub(super) enum LineFormat {
    /// `{"timestamp":"…","level":"INFO","target":"…","traceId":"…","message":"…"}`
    Json,
    /// `<timestamp>  INFO <target>: <message> key="value" traceId="…"`
    Text,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        match self {
            Self::Json => {
                out.write_str("{\"timestamp\":\"")?;
                SystemTime.format_time(&mut out)?;
                write!(out, "\",\"level\":\"{level}\",\"target\":\"{target}\"")?;
                write_spans(context, &mut out)?;
                self.format_fields(out.by_ref(), event)?;
                out.write_str("}\n")
            }
            Self::Text => {
                SystemTime.format_time(&mut out)?;
                write!(out, " {level:>5} {target}:")?;
                self.format_fields(out.by_ref(), event)?;
                write_spans(context, &mut out)?;
                out.write_str("\n")
            }
        }
    }
}

fn write_spans<S, N>(context: &FmtContext<'_, S, N>, out: &mut Writer<'_>) -> fmt::Result
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
            out.write_str(fields)?;
        }
    }
    Ok(())
}

/// Each field is written with a leading separator: `,"key":"value"` or ` key="value"`.
impl<'w> FormatFields<'w> for LineFormat {
    fn format_fields<R: RecordFields>(&self, out: Writer<'w>, fields: R) -> fmt::Result {
        let mut writer = FieldWriter {
            format: *self,
            out,
            result: Ok(()),
        };
        fields.record(&mut writer);
        writer.result
    }
}

struct FieldWriter<'w> {
    format: LineFormat,
    out: Writer<'w>,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn write(&mut self, field: &Field, value: Value<'_>) {
        // `tracing-log` adds `log.target`, `log.file` and similar fields to the events of the `log` crate.
        if !field.name().starts_with("log.") && self.result.is_ok() {
            self.result = self.try_write(field.name(), value);
        }
    }

    fn try_write(&mut self, name: &str, value: Value<'_>) -> fmt::Result {
        let is_message = name == "message";
        match self.format {
            LineFormat::Json => write!(self.out, ",\"{name}\":")?,
            LineFormat::Text if is_message => self.out.write_char(' ')?,
            LineFormat::Text => write!(self.out, " {name}=")?,
        }
        match value {
            Value::Unquoted(value) => write!(self.out, "{value}"),
            Value::Text(text) if is_message && matches!(self.format, LineFormat::Text) => {
                write_escaped(&mut self.out, text, QuoteMode::Raw)
            }
            Value::Text(text) => {
                self.out.write_char('"')?;
                write_escaped(&mut self.out, text, QuoteMode::Escaped)?;
                self.out.write_char('"')
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Value<'v> {
    /// A number or boolean, which JSON writes without quotes.
    Unquoted(&'v dyn fmt::Display),
    Text(&'v dyn Debug),
}

impl Visit for FieldWriter<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, Value::Unquoted(&value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, Value::Unquoted(&value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, Value::Unquoted(&value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.write(field, Value::Unquoted(&value));
        } else {
            self.write(field, Value::Text(&value));
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, Value::Text(&format_args!("{value}")));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, Value::Text(value));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QuoteMode {
    /// Quotes and backslashes are written unchanged.
    Raw,
    /// Quotes and backslashes are escaped with a backslash.
    Escaped,
}

fn write_escaped(out: &mut dyn Write, text: &dyn Debug, quote_mode: QuoteMode) -> fmt::Result {
    let mut writer = EscapingWriter {
        out,
        quote_mode,
        remaining: MAX_VALUE_CHARS,
    };
    // The line is written even if a value cannot be formatted.
    if write!(writer, "{text:?}").is_err() || writer.remaining == 0 {
        writer.out.write_char('…')?;
    }
    Ok(())
}

/// Escapes text as in JSON strings (RFC 8259, section 7) and stops after the maximum length.
struct EscapingWriter<'w> {
    out: &'w mut dyn Write,
    quote_mode: QuoteMode,
    /// How many more characters may be written.
    remaining: usize,
}

impl Write for EscapingWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.remaining == 0 {
                return Err(fmt::Error);
            }
            self.remaining -= 1;
            match c {
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                '"' | '\\' if self.quote_mode == QuoteMode::Escaped => write!(self.out, "\\{c}")?,
                c if must_be_escaped(c) => write!(self.out, "\\u{:04x}", u32::from(c))?,
                c => self.out.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Whether the character is a control character, a line or paragraph separator, or changes the direction or visibility of
/// text. All of them have at most four hexadecimal digits.
fn must_be_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
