//! The command line. A command parses its arguments, calls the same service function as the HTTP handler, and prints.
//!
//! Exit status: 0 success, 1 failure, 2 invalid command line, 3 the answer is no, 130 interrupted by Ctrl-C. Results go to standard output, messages to standard error.

mod audit;
mod auth;
mod cli_error;
mod clients;
mod command_line;
mod completions_and_man;
mod context;
mod db;
mod doctor;
mod health;
mod interrupt;
mod invites;
mod keys;
mod list_edit;
mod local_address;
mod output;
mod paging;
mod passwd;
mod permissions;
mod progress_bar;
mod prompt;
mod revoked_report;
mod roles;
mod secret_key;
mod serve;
mod standard_streams;
mod time_argument;
mod users;

use cli_error::CliError;
pub use command_line::run;
use list_edit::edit_list;
use local_address::loopback_if_unspecified;
use revoked_report::report_revoked;
use standard_streams::{print_stderr, print_stdout};
