//! One value, as people and as programs read it. What could steer a terminal is made visible.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

/// A value of a column.
pub enum Cell {
    /// Nothing is there.
    Nothing,
    Text(String),
    Number(i64),
    Flag(bool),
    Time(DateTime<Utc>),
    /// Names, none of which has a space.
    Names(Vec<String>),
    /// An object of JSON.
    Json(Value),
}

impl Cell {
    /// As people read it: `yes`, `a, b`.
    pub fn plain(self) -> String {
        match self {
            Self::Flag(yes) => if yes { "yes" } else { "no" }.to_owned(),
            Self::Names(names) => names.join(", "),
            Self::Json(Value::Object(members)) if members.is_empty() => String::new(),
            other => visible(&other.exact()),
        }
    }

    /// As programs read it: `true`, `a b`, times in RFC 3339.
    pub fn exact(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Flag(yes) => yes.to_string(),
            Self::Time(at) => at.to_rfc3339_opts(SecondsFormat::Secs, true),
            Self::Names(names) => names.join(" "),
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
        text.as_ref().map_or(Self::Nothing, Self::from)
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Flag(yes)
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
        at.map_or(Self::Nothing, Self::Time)
    }
}

impl From<&Vec<String>> for Cell {
    fn from(names: &Vec<String>) -> Self {
        Self::Names(names.clone())
    }
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        Self::Json(value.clone())
    }
}

/// A line of CSV (RFC 4180), without its end.
pub fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",")
}

/// A line of tab-separated values, without its end; tabs and line ends within are written `\t`, `\n`, `\r`, a backslash `\\`.
pub fn tsv_line(cells: impl Iterator<Item = String>) -> String {
    let escaped = |cell: String| {
        cell.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    };
    cells.map(escaped).collect::<Vec<_>>().join("\t")
}

/// The text with its control characters written out, so that none reaches a terminal.
pub fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_that_would_break_a_line_of_csv_are_quoted() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\nlines", ""];
        let line = csv_line(cells.iter().map(ToString::to_string));
        assert_eq!(line, "plain,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_sent() {
        let cell = Cell::from("\u{1b}[2Jred\u{7}\u{9b}");
        assert_eq!(cell.plain(), "\\u{1b}[2Jred\\u{7}\\u{9b}");
    }

    proptest! {
        #[test]
        fn a_line_of_tsv_is_one_line_with_as_many_cells(cells in prop::collection::vec("[a\\\\\t\n\r]{0,6}", 1..5)) {
            let line = tsv_line(cells.iter().cloned());
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert_eq!(line.split('\t').count(), cells.len());
        }
    }
}
