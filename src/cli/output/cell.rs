//! A table cell, as text for people and for programs. Control characters are escaped before they reach a terminal.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

/// The value of a column.
pub enum Cell {
    /// No value.
    Empty,
    Text(String),
    Number(i64),
    Bool(bool),
    Time(DateTime<Utc>),
    /// A list of names. They contain no spaces, because the output joins them with spaces.
    List(Vec<String>),
    /// A JSON object.
    Json(Value),
}

impl Cell {
    /// The text for people: `yes`, `a, b`.
    pub fn into_display_text(self) -> String {
        match self {
            Self::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
            Self::List(names) => names.join(", "),
            Self::Json(Value::Object(members)) if members.is_empty() => String::new(),
            other => escape_control_characters(&other.into_machine_text()),
        }
    }

    /// The text for programs: `true`, `a b`, RFC 3339 times.
    pub fn into_machine_text(self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Bool(yes) => yes.to_string(),
            Self::Time(at) => at.to_rfc3339_opts(SecondsFormat::Secs, true),
            Self::List(names) => names.join(" "),
            Self::Json(value) => value.to_string(),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&Option<String>> for Cell {
    fn from(text: &Option<String>) -> Self {
        text.as_ref().map_or(Self::Empty, Self::from)
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Time(at)
    }
}

impl From<Option<DateTime<Utc>>> for Cell {
    fn from(at: Option<DateTime<Utc>>) -> Self {
        at.map_or(Self::Empty, Self::Time)
    }
}

impl From<&Vec<String>> for Cell {
    fn from(names: &Vec<String>) -> Self {
        Self::List(names.clone())
    }
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        Self::Json(value.clone())
    }
}

/// A line of CSV (RFC 4180), without the line break.
pub fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| {
        if is_formula(&cell) {
            format!("\"'{}\"", cell.replace('"', "\"\""))
        } else if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",")
}

/// Whether a spreadsheet could read the text as a formula (OWASP, CSV Injection). A number such as `-1` is not a formula.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<i64>().is_err()
}

/// A line of tab-separated values, without the line break. Tabs, line breaks and backslashes within a cell are written as
/// `\t`, `\n`, `\r` and `\\`.
pub fn tsv_line(cells: impl Iterator<Item = String>) -> String {
    let escaped = |cell: String| {
        cell.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    };
    cells.map(escaped).collect::<Vec<_>>().join("\t")
}

/// Replaces control characters by their escape sequences, because they could manipulate a terminal.
pub fn escape_control_characters(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn csv_cells_with_special_characters_are_quoted() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\nlines", ""];
        let line = csv_line(cells.iter().map(ToString::to_string));
        assert_eq!(line, "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",");
    }

    // OWASP: CSV Injection
    #[test]
    fn csv_cells_that_begin_like_a_formula_begin_with_an_apostrophe() {
        for (cell, expected) in [
            ("=1+2", "\"'=1+2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\""),
            ("-2+3", "\"'-2+3\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=\"x\"", "\"'\r=\"\"x\"\"\""),
            ("-1", "-1"),
            ("+49", "+49"),
            ("a=b", "a=b"),
            ("'=1", "'=1"),
        ] {
            assert_eq!(csv_line([cell.to_owned()].into_iter()), expected);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let cell = Cell::from("\u{1b}[2Jred\u{7}\u{9b}");
        assert_eq!(cell.into_display_text(), "\\u{1b}[2Jred\\u{7}\\u{9b}");
    }

    proptest! {
        #[test]
        fn tsv_line_is_one_line_with_all_cells(cells in prop::collection::vec("[a\\\\\t\n\r]{0,6}", 1..5)) {
            let line = tsv_line(cells.iter().cloned());
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert_eq!(line.split('\t').count(), cells.len());
        }
    }
}
