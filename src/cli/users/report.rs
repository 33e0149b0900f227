//! Printing a user, and reading paired switches.

use crate::accounts::users::User;
use crate::cli::output::{self, FormatFlags};
use crate::cli::{CliError, print_stderr};

/// Prints the user if a format was requested, otherwise a message.
pub fn report(format: FormatFlags, user: &User, verb: &str) -> Result<(), CliError> {
    if format.is_set() {
        return output::show(format, user);
    }
    print_stderr(&format!("User {} {verb}.", user.username));
    Ok(())
}

/// The value of a switch and its `--no-` form.
pub const fn switch_value(is_on: bool, is_off: bool) -> Option<bool> {
    match (is_on, is_off) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}
