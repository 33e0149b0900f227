//! Tables for people: as wide as the terminal at most, and in Markdown.

use std::io::Stdout;

use anstream::{AutoStream, ColorChoice};
use comfy_table::{ContentArrangement, Table, presets};
use terminal_size::{Width, terminal_size_of};

/// Columns below bold headings, wrapped to fit; one that is empty all the way down is left out.
pub fn for_terminal(headings: &[&str], rows: &[Vec<String>], out: &Stdout) -> String {
    let is_empty = |row: &Vec<String>, column: usize| row.get(column).is_none_or(String::is_empty);
    let used: Vec<bool> = (0..headings.len())
        .map(|column| !rows.iter().all(|row| is_empty(row, column)))
        .collect();
    let mut table = plain(out);
    table.set_header(only(&used, headings));
    table.add_rows(rows.iter().map(|row| only(&used, row)));
    let text = lines(&table);
    match text.split_once('\n') {
        Some((first, rest)) if has_colour(out) => format!("\u{1b}[1m{first}\u{1b}[0m\n{rest}"),
        _ => text,
    }
}

/// The members of one thing, one below another.
pub fn members(rows: Vec<Vec<String>>, out: &Stdout) -> String {
    let mut table = plain(out);
    table.add_rows(rows);
    lines(&table)
}

/// A table in GitHub's Markdown.
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

fn only<'a, T>(used: &'a [bool], cells: &'a [T]) -> impl Iterator<Item = &'a T> {
    cells
        .iter()
        .zip(used)
        .filter_map(|(cell, used)| used.then_some(cell))
}

fn plain(out: &Stdout) -> Table {
    const WITHOUT_A_SIZE: u16 = 80;
    let width = terminal_size_of(out).map_or(WITHOUT_A_SIZE, |(Width(width), _)| width);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table
}

fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        let line = line.strip_prefix(' ').unwrap_or(&line);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// As `NO_COLOR`, `CLICOLOR` and `TERM` have it.
fn has_colour(out: &Stdout) -> bool {
    AutoStream::choice(out) != ColorChoice::Never
}
