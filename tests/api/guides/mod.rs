//! The commands of the README and the guides, run as written.

mod embed;
mod operator_commands;
mod readme;
mod spa;
