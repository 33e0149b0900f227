//! The real binary, as an operator has it: how it starts, ends, refuses, and lives through the loss of its database.

mod away;
mod commands;
mod end;
mod rolling;
mod slow;
mod start;
