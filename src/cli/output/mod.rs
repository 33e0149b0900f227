//! Prints one item or a list: as a table on a terminal, as tab-separated values otherwise, or in the requested format.

mod cell;
mod table;

use std::io::{BufWriter, IsTerminal, Stdout, Write};

use clap::Args;
use serde::Serialize;

use super::{CliError, print_stderr};
pub use cell::Cell;

/// The flags that select the output format.
#[derive(Args, Clone, Copy)]
#[group(id = "format", multiple = false)]
#[command(next_help_heading = "Output")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field per command-line flag"
)]
pub struct FormatFlags {
    /// Print JSON, with the same members as in the API.
    #[arg(long)]
    json: bool,
    /// Print comma-separated values with a header line and all columns.
    #[arg(long)]
    csv: bool,
    /// Print tab-separated values with a header line and all columns.
    #[arg(long)]
    tsv: bool,
    /// Print a Markdown table.
    #[arg(long)]
    md: bool,
}

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputFormat {
    /// Aligned columns with headings, for terminals.
    Table,
    /// The columns of the table, separated by tabs, without headings, for pipes.
    Plain,
    Json,
    Csv,
    Tsv,
    Markdown,
}

impl FormatFlags {
    fn format(self) -> OutputFormat {
        match self {
            Self { json: true, .. } => OutputFormat::Json,
            Self { csv: true, .. } => OutputFormat::Csv,
            Self { tsv: true, .. } => OutputFormat::Tsv,
            Self { md: true, .. } => OutputFormat::Markdown,
            _ if std::io::stdout().is_terminal() => OutputFormat::Table,
            _ => OutputFormat::Plain,
        }
    }

    /// Whether a format was requested. A command that changes something then prints the changed item instead of a message.
    pub fn is_set(self) -> bool {
        self.json || self.csv || self.tsv || self.md
    }

    /// Whether JSON was requested.
    pub fn is_json(self) -> bool {
        self.json
    }
}

/// An item that can be printed as a row of columns.
pub trait TableRow: Serialize + Sized + 'static {
    /// The columns, in printing order.
    const COLUMNS: &'static [Column<Self>];
}

/// One column of a table.
pub struct Column<T: 'static> {
    /// The name in CSV and TSV, which is the name of the JSON member in the API.
    name: &'static str,
    /// The heading in tables; `None` if tables do not show the column.
    heading: Option<&'static str>,
    cell: fn(&T) -> Cell,
}

impl<T> Column<T> {
    /// A column of every format.
    pub const fn shown(name: &'static str, heading: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self {
            name,
            heading: Some(heading),
            cell,
        }
    }

    /// A column of CSV, TSV and the output of a single item, but not of tables.
    pub const fn extra(name: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self {
            name,
            heading: None,
            cell,
        }
    }
}

/// Prints a list while it is read. Only tables are collected first, because their column widths depend on all rows.
pub struct ListPrinter<T: TableRow> {
    format: OutputFormat,
    out: BufWriter<Stdout>,
    table: Vec<Vec<String>>,
    count: usize,
    item: std::marker::PhantomData<T>,
}

impl<T: TableRow> ListPrinter<T> {
    /// Prints the header line if the format has one.
    pub fn start(flags: FormatFlags) -> Result<Self, CliError> {
        let mut printer = Self {
            format: flags.format(),
            out: BufWriter::new(std::io::stdout()),
            table: Vec::new(),
            count: 0,
            item: std::marker::PhantomData,
        };
        let names = || T::COLUMNS.iter().map(|column| column.name.to_owned());
        match printer.format {
            OutputFormat::Csv => writeln!(printer.out, "{}", cell::csv_line(names()))?,
            OutputFormat::Tsv => writeln!(printer.out, "{}", cell::tsv_line(names()))?,
            _ => {}
        }
        Ok(printer)
    }

    /// Prints more items.
    pub fn print(&mut self, items: &[T]) -> Result<(), CliError> {
        for item in items {
            self.print_item(item)?;
        }
        // The reader sees these items while the next page is read.
        Ok(self.out.flush()?)
    }

    fn print_item(&mut self, item: &T) -> Result<(), CliError> {
        let all_cells = || T::COLUMNS.iter().map(|column| (column.cell)(item));
        match self.format {
            OutputFormat::Table | OutputFormat::Markdown => self.table.push(table_cells(item)),
            OutputFormat::Plain => writeln!(
                self.out,
                "{}",
                cell::tsv_line(table_cells(item).into_iter())
            )?,
            OutputFormat::Csv => writeln!(
                self.out,
                "{}",
                cell::csv_line(all_cells().map(Cell::into_machine_text))
            )?,
            OutputFormat::Tsv => writeln!(
                self.out,
                "{}",
                cell::tsv_line(all_cells().map(Cell::into_machine_text))
            )?,
            OutputFormat::Json => {
                let opening = if self.count == 0 { "[\n" } else { ",\n" };
                write!(self.out, "{opening}{}", json(item)?)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Prints what is still missing: the whole table, or the closing bracket of a JSON array.
    pub fn finish(mut self) -> Result<(), CliError> {
        let headings: Vec<&'static str> = T::COLUMNS
            .iter()
            .filter_map(|column| column.heading)
            .collect();
        match self.format {
            OutputFormat::Table if self.count > 0 => {
                let (text, left_out) =
                    table::for_terminal(&headings, &self.table, self.out.get_ref());
                write!(self.out, "{text}")?;
                self.out.flush()?;
                if !left_out.is_empty() {
                    print_stderr(&format!(
                        "The terminal is too narrow for {}: --json and --csv have every column.",
                        left_out.join(", ")
                    ));
                }
            }
            OutputFormat::Markdown => {
                write!(self.out, "{}", table::markdown(&headings, &self.table))?;
            }
            OutputFormat::Json => {
                writeln!(self.out, "{}", if self.count == 0 { "[]" } else { "\n]" })?;
            }
            _ => {}
        }
        Ok(self.out.flush()?)
    }
}

/// Prints a complete list.
pub fn list<T: TableRow>(flags: FormatFlags, items: &[T]) -> Result<(), CliError> {
    let mut list_printer = ListPrinter::start(flags)?;
    list_printer.print(items)?;
    list_printer.finish()
}

/// Prints one item. A table has one line for each member. CSV and TSV are a list with one item.
pub fn show<T: TableRow>(flags: FormatFlags, item: &T) -> Result<(), CliError> {
    let members = || {
        T::COLUMNS
            .iter()
            .map(|column| {
                vec![
                    column.name.to_owned(),
                    (column.cell)(item).into_display_text(),
                ]
            })
            .collect::<Vec<_>>()
    };
    let mut out = std::io::stdout();
    match flags.format() {
        OutputFormat::Csv | OutputFormat::Tsv => list(flags, std::slice::from_ref(item)),
        OutputFormat::Json => Ok(writeln!(out, "{}", json(item)?)?),
        OutputFormat::Table => Ok(write!(out, "{}", table::members(members(), &out))?),
        OutputFormat::Markdown => {
            let headings = ["member", "value"];
            Ok(write!(out, "{}", table::markdown(&headings, &members()))?)
        }
        OutputFormat::Plain => {
            for member in members() {
                writeln!(out, "{}", cell::tsv_line(member.into_iter()))?;
            }
            Ok(())
        }
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    Ok(writeln!(std::io::stdout(), "{}", json(value)?)?)
}

fn json(item: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(item).map_err(|error| CliError::Failed(error.to_string()))
}

fn table_cells<T: TableRow>(item: &T) -> Vec<String> {
    T::COLUMNS
        .iter()
        .filter(|column| column.heading.is_some())
        .map(|column| (column.cell)(item).into_display_text())
        .collect()
}
