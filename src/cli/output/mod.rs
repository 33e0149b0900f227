//! The printing room: one thing or a list of them, as a table on a terminal, plain elsewhere, or in the form that was asked
//! for. It prints what it is given, decides nothing, and ends quietly when nobody reads any more.

mod cell;
mod table;

use std::io::{BufWriter, IsTerminal, Stdout, Write};

use clap::Args;
use serde::Serialize;

use super::Failure;
pub use cell::Cell;

/// In which form an answer is printed.
#[derive(Args, Clone, Copy)]
#[group(id = "form", multiple = false)]
#[command(next_help_heading = "Output")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag each, as they are typed"
)]
pub struct FormFlags {
    /// Print JSON, with the members that the API has.
    #[arg(long)]
    json: bool,
    /// Print comma-separated values, every column, with a heading.
    #[arg(long)]
    csv: bool,
    /// Print tab-separated values, every column, with a heading.
    #[arg(long)]
    tsv: bool,
    /// Print a Markdown table.
    #[arg(long)]
    md: bool,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// For people: aligned, with headings.
    Table,
    /// For pipes: the table's columns, separated by tabs, without headings.
    Plain,
    Json,
    Csv,
    Tsv,
    Markdown,
}

impl FormFlags {
    fn form(self) -> Form {
        match self {
            Self { json: true, .. } => Form::Json,
            Self { csv: true, .. } => Form::Csv,
            Self { tsv: true, .. } => Form::Tsv,
            Self { md: true, .. } => Form::Markdown,
            _ if std::io::stdout().is_terminal() => Form::Table,
            _ => Form::Plain,
        }
    }

    /// Whether a form was asked for, and with it an answer from a command that otherwise only says that it is done.
    pub fn is_asked(self) -> bool {
        self.json || self.csv || self.tsv || self.md
    }

    /// Whether it is JSON that was asked for.
    pub fn is_json(self) -> bool {
        self.json
    }
}

/// What a list of these has for columns.
pub trait Row: Serialize + Sized + 'static {
    /// In the order in which they are printed.
    const COLUMNS: &'static [Column<Self>];
}

/// One column.
pub struct Column<T: 'static> {
    /// Its name in CSV and TSV, which is that of the member in the API.
    name: &'static str,
    /// Its heading in tables; `None`: tables do not show it.
    heading: Option<&'static str>,
    cell: fn(&T) -> Cell,
}

impl<T> Column<T> {
    /// One that every form shows.
    pub const fn shown(name: &'static str, heading: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self {
            name,
            heading: Some(heading),
            cell,
        }
    }

    /// One that only the complete forms show: CSV, TSV, and one thing alone.
    pub const fn extra(name: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self {
            name,
            heading: None,
            cell,
        }
    }
}

/// A list that is printed while it is read, so that a long one needs no memory and ends when its reader does.
pub struct Listing<T: Row> {
    form: Form,
    out: BufWriter<Stdout>,
    table: Vec<Vec<String>>,
    count: usize,
    item: std::marker::PhantomData<T>,
}

impl<T: Row> Listing<T> {
    /// Begins one.
    pub fn begin(flags: FormFlags) -> Result<Self, Failure> {
        let mut listing = Self {
            form: flags.form(),
            out: BufWriter::new(std::io::stdout()),
            table: Vec::new(),
            count: 0,
            item: std::marker::PhantomData,
        };
        let names = || T::COLUMNS.iter().map(|column| column.name.to_owned());
        match listing.form {
            Form::Csv => writeln!(listing.out, "{}", cell::csv_line(names()))?,
            Form::Tsv => writeln!(listing.out, "{}", cell::tsv_line(names()))?,
            _ => {}
        }
        Ok(listing)
    }

    /// Prints these too.
    pub fn add(&mut self, items: &[T]) -> Result<(), Failure> {
        for item in items {
            self.add_one(item)?;
        }
        // What was read so far is shown while the rest is waited for.
        Ok(self.out.flush()?)
    }

    fn add_one(&mut self, item: &T) -> Result<(), Failure> {
        let all = || T::COLUMNS.iter().map(|column| (column.cell)(item));
        match self.form {
            Form::Table | Form::Markdown => self.table.push(shown(item)),
            Form::Plain => writeln!(self.out, "{}", cell::tsv_line(shown(item).into_iter()))?,
            Form::Csv => writeln!(self.out, "{}", cell::csv_line(all().map(Cell::exact)))?,
            Form::Tsv => writeln!(self.out, "{}", cell::tsv_line(all().map(Cell::exact)))?,
            Form::Json => {
                let opening = if self.count == 0 { "[\n" } else { ",\n" };
                write!(self.out, "{opening}{}", json(item)?)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Prints what is left to print.
    pub fn end(mut self) -> Result<(), Failure> {
        let headings: Vec<&str> = T::COLUMNS
            .iter()
            .filter_map(|column| column.heading)
            .collect();
        match self.form {
            Form::Table if self.count > 0 => {
                write!(
                    self.out,
                    "{}",
                    table::for_terminal(&headings, &self.table, self.out.get_ref())
                )?;
            }
            Form::Markdown => write!(self.out, "{}", table::markdown(&headings, &self.table))?,
            Form::Json => writeln!(self.out, "{}", if self.count == 0 { "[]" } else { "\n]" })?,
            _ => {}
        }
        Ok(self.out.flush()?)
    }
}

/// Prints a whole list.
pub fn list<T: Row>(flags: FormFlags, items: &[T]) -> Result<(), Failure> {
    let mut listing = Listing::begin(flags)?;
    listing.add(items)?;
    listing.end()
}

/// Prints one thing: its members one below another, or as a list of one where the form is for programs.
pub fn show<T: Row>(flags: FormFlags, item: &T) -> Result<(), Failure> {
    let members = || {
        T::COLUMNS
            .iter()
            .map(|column| vec![column.name.to_owned(), (column.cell)(item).plain()])
            .collect::<Vec<_>>()
    };
    let mut out = std::io::stdout();
    match flags.form() {
        Form::Csv | Form::Tsv => list(flags, std::slice::from_ref(item)),
        Form::Json => Ok(writeln!(out, "{}", json(item)?)?),
        Form::Table => Ok(write!(out, "{}", table::members(members(), &out))?),
        Form::Markdown => {
            let headings = ["member", "value"];
            Ok(write!(out, "{}", table::markdown(&headings, &members()))?)
        }
        Form::Plain => {
            for member in members() {
                writeln!(out, "{}", cell::tsv_line(member.into_iter()))?;
            }
            Ok(())
        }
    }
}

/// Prints any value as JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{}", json(value)?)?)
}

fn json(item: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(item).map_err(|error| Failure::Failed(error.to_string()))
}

fn shown<T: Row>(item: &T) -> Vec<String> {
    T::COLUMNS
        .iter()
        .filter(|column| column.heading.is_some())
        .map(|column| (column.cell)(item).plain())
        .collect()
}
