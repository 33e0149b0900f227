//! Tables for terminals and in Markdown.

use std::io::Stdout;

use anstream::{AutoStream, ColorChoice};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use terminal_size::terminal_size_of;

/// A longer word is shortened, unless its column cannot be left out.
const MAX_WORD: usize = 40;

/// Spaces between two columns.
const GAP: usize = 2;

/// A table with bold headings, wrapped between words to the width of the terminal. Ids are never broken: columns without any
/// value are left out and, if the terminal is too narrow, the last columns too. Returns the headings of the latter.
pub fn for_terminal(
    headings: &[&'static str],
    rows: &[Vec<String>],
    out: &Stdout,
) -> (String, Vec<&'static str>) {
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let mut columns: Vec<TableColumn> = headings
        .iter()
        .enumerate()
        .map(|(index, heading)| {
            let cells: Vec<String> = rows.iter().map(|row| cell(row, index)).collect();
            TableColumn::new(heading, &cells)
        })
        .filter(|column| !column.is_empty())
        .collect();
    let left_out = leave_out_columns(&mut columns, terminal_width(out));
    let mut table = new_table(out);
    table.set_header(columns.iter().map(|column| column.heading));
    for index in 0..rows.len() {
        table.add_row(columns.iter().filter_map(|column| column.cells.get(index)));
    }
    for (index, column) in columns.iter().enumerate() {
        let width = u16::try_from(column.longest_word + GAP).unwrap_or(u16::MAX);
        if let Some(shown) = table.column_mut(index) {
            shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    let text = render(&table);
    let text = match text.split_once('\n') {
        Some((first, rest)) if has_colour(out) => format!("\u{1b}[1m{first}\u{1b}[0m\n{rest}"),
        _ => text,
    };
    (text, left_out)
}

/// A column with its cells, and the width that it needs so that no word is broken.
struct TableColumn {
    heading: &'static str,
    cells: Vec<String>,
    longest_word: usize,
}

impl TableColumn {
    fn new(heading: &'static str, cells: &[String]) -> Self {
        let cells: Vec<String> = cells.iter().map(|cell| shorten_words(cell)).collect();
        let words = cells.iter().flat_map(|cell| cell.split_whitespace());
        let longest_word = words
            .chain(heading.split_whitespace())
            .map(|word| word.chars().count())
            .max();
        Self {
            heading,
            cells,
            longest_word: longest_word.unwrap_or_default(),
        }
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

/// Shortens words of more than 40 characters. Ids are shorter.
fn shorten_words(cell: &str) -> String {
    if cell
        .split_whitespace()
        .all(|word| word.chars().count() <= MAX_WORD)
    {
        return cell.to_owned();
    }
    let shorten = |word: &str| {
        if word.chars().count() <= MAX_WORD {
            word.to_owned()
        } else {
            word.chars().take(MAX_WORD - 1).chain(['…']).collect()
        }
    };
    let words: Vec<String> = cell.split_whitespace().map(shorten).collect();
    words.join(" ")
}

/// Leaves out the last columns until no word of the others must be broken. The first one stays. Returns the headings.
fn leave_out_columns(columns: &mut Vec<TableColumn>, width: usize) -> Vec<&'static str> {
    let needed = |columns: &[TableColumn]| -> usize {
        columns.iter().map(|column| column.longest_word + GAP).sum()
    };
    let mut left_out = Vec::new();
    while columns.len() > 1 && needed(columns) > width {
        left_out.extend(columns.pop().map(|column| column.heading));
    }
    left_out.reverse();
    left_out
}

/// The columns of one item, one per line.
pub fn members(rows: Vec<Vec<String>>, out: &Stdout) -> String {
    let mut table = new_table(out);
    table.add_rows(rows);
    render(&table)
}

/// A table in GitHub Flavored Markdown.
pub fn markdown(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
    let mut text = line(&mut headings.iter().map(|heading| (*heading).to_owned()));
    text += &line(&mut headings.iter().map(|_| "---".to_owned()));
    for row in rows {
        text += &line(&mut row.iter().map(|cell| escaped(cell)));
    }
    text
}

fn terminal_width(out: &Stdout) -> usize {
    const DEFAULT_WIDTH: u16 = 80;
    terminal_size_of(out)
        .map_or(DEFAULT_WIDTH, |(terminal_size::Width(width), _)| width)
        .into()
}

fn new_table(out: &Stdout) -> Table {
    let width = u16::try_from(terminal_width(out)).unwrap_or(u16::MAX);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table
}

fn render(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        let line = line.strip_prefix(' ').unwrap_or(&line);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Whether to print colours, by `NO_COLOR`, `CLICOLOR` and `TERM`.
fn has_colour(out: &Stdout) -> bool {
    AutoStream::choice(out) != ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0199d2b4-6a5e-7c3f-8f43-2d9c53c4a1de";

    fn columns(words: &[&'static str]) -> Vec<TableColumn> {
        words
            .iter()
            .map(|word| TableColumn::new(word, &[(*word).to_owned()]))
            .collect()
    }

    #[test]
    fn last_columns_are_left_out_before_an_id_is_broken() {
        let words = [ID, "SESSION", "ada", "NAME"];
        for (width, expected) in [
            (80, vec![]),
            (58, vec![]),
            (57, vec!["NAME"]),
            (51, vec!["ada", "NAME"]),
            (20, vec!["SESSION", "ada", "NAME"]),
        ] {
            let mut columns = columns(&words);
            assert_eq!(leave_out_columns(&mut columns, width), expected, "{width}");
            assert_eq!(columns.len() + expected.len(), words.len());
        }
    }

    #[test]
    fn long_words_are_shortened_and_ids_are_not() {
        assert_eq!(shorten_words(ID), ID);
        let long = "x".repeat(41);
        assert_eq!(shorten_words(&long), format!("{}…", "x".repeat(39)));
        assert_eq!(shorten_words("a  b"), "a  b");
    }
}
