//! How an event becomes one line, with the fields of the spans around it. Every text is escaped and cut to a length;
//! what could end the line, drive a terminal or hide text never gets through.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The most characters of one value that are written.
pub(super) const LONGEST_VALUE: usize = 4096;

/// The form of the lines.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// `{"timestamp":"…","level":"INFO","target":"…","traceId":"…","message":"…"}`
    Json,
    /// `<timestamp>  INFO <target>: <message> key="value" traceId="…"`
    Text,
}

impl<S, N> FormatEvent<S, N> for Shape
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

/// Fields are written so that they can follow others: `,"key":"value"` or ` key="value"`.
impl<'w> FormatFields<'w> for Shape {
    fn format_fields<R: RecordFields>(&self, out: Writer<'w>, fields: R) -> fmt::Result {
        let mut writer = FieldWriter {
            shape: *self,
            out,
            result: Ok(()),
        };
        fields.record(&mut writer);
        writer.result
    }
}

struct FieldWriter<'w> {
    shape: Shape,
    out: Writer<'w>,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn write(&mut self, field: &Field, value: Value<'_>) {
        // Events of the `log` crate say in such fields where they come from.
        if !field.name().starts_with("log.") && self.result.is_ok() {
            self.result = self.try_write(field.name(), value);
        }
    }

    fn try_write(&mut self, name: &str, value: Value<'_>) -> fmt::Result {
        let is_message = name == "message";
        match self.shape {
            Shape::Json => write!(self.out, ",\"{name}\":")?,
            Shape::Text if is_message => self.out.write_char(' ')?,
            Shape::Text => write!(self.out, " {name}=")?,
        }
        match value {
            Value::Bare(value) => write!(self.out, "{value}"),
            Value::Text(text) if is_message && matches!(self.shape, Shape::Text) => {
                write_escaped(&mut self.out, text, Quotes::Kept)
            }
            Value::Text(text) => {
                self.out.write_char('"')?;
                write_escaped(&mut self.out, text, Quotes::Escaped)?;
                self.out.write_char('"')
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Value<'v> {
    /// What JSON writes without quotes.
    Bare(&'v dyn fmt::Display),
    Text(&'v dyn Debug),
}

impl Visit for FieldWriter<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, Value::Bare(&value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, Value::Bare(&value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, Value::Bare(&value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.write(field, Value::Bare(&value));
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
enum Quotes {
    Kept,
    Escaped,
}

fn write_escaped(out: &mut dyn Write, text: &dyn Debug, quotes: Quotes) -> fmt::Result {
    let mut escaping = Escaping {
        out,
        quotes,
        left: LONGEST_VALUE,
    };
    // A value that can't be formatted must not cost the line.
    if write!(escaping, "{text:?}").is_err() || escaping.left == 0 {
        escaping.out.write_char('…')?;
    }
    Ok(())
}

/// Passes on what one line can hold, in the escapes of JSON (RFC 8259, section 7), which people read as well.
struct Escaping<'w> {
    out: &'w mut dyn Write,
    quotes: Quotes,
    left: usize,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.left == 0 {
                return Err(fmt::Error);
            }
            self.left -= 1;
            match c {
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                '"' | '\\' if self.quotes == Quotes::Escaped => write!(self.out, "\\{c}")?,
                c if is_treacherous(c) => write!(self.out, "\\u{:04x}", u32::from(c))?,
                c => self.out.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and marks that reorder or hide text; all have four hex digits.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
