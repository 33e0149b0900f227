//! Tables for terminals and in Markdown.

use std::io::Stdout;

use anstream::{AutoStream, ColorChoice};
use comfy_table::{ContentArrangement, Table, presets};
use terminal_size::{Width, terminal_size_of};

/// A table with bold headings, wrapped to the width of the terminal. Columns without any value are left out.
pub fn for_terminal(headings: &[&str], rows: &[Vec<String>], out: &Stdout) -> String {
    let is_empty = |row: &Vec<String>, column: usize| row.get(column).is_none_or(String::is_empty);
    let used: Vec<bool> = (0..headings.len())
        .map(|column| !rows.iter().all(|row| is_empty(row, column)))
        .collect();
    let mut table = new_table(out);
    table.set_header(select(&used, headings));
    table.add_rows(rows.iter().map(|row| select(&used, row)));
    let text = render(&table);
    match text.split_once('\n') {
        Some((first, rest)) if has_colour(out) => format!("\u{1b}[1m{first}\u{1b}[0m\n{rest}"),
        _ => text,
    }
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

fn select<'a, T>(used: &'a [bool], cells: &'a [T]) -> impl Iterator<Item = &'a T> {
    cells
        .iter()
        .zip(used)
        .filter_map(|(cell, used)| used.then_some(cell))
}

fn new_table(out: &Stdout) -> Table {
    const DEFAULT_WIDTH: u16 = 80;
    let width = terminal_size_of(out).map_or(DEFAULT_WIDTH, |(Width(width), _)| width);
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
