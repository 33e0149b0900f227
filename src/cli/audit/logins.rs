//! `rosterd audit logins`.

use clap::Args;

use super::events::id;
use super::listing::{self, ListFlags};
use crate::audit::log::{Filter, SignInAttempt, SignInOutcome, service};
use crate::cli::Failure;
use crate::cli::context::CliContext;
use crate::cli::output::{Cell, Column, Row};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd audit logins
  rosterd audit logins ada --since 24h
  rosterd audit logins --failed --ip 203.0.113.7 --csv

A name that no account has is kept nowhere, for it may be a password typed into the wrong field; given as NAME, its attempts are found.")]
pub struct Arguments {
    /// Only attempts with this name: an account's username, address or id, or a name that no account has.
    name: Option<String>,
    /// Only those that failed.
    #[arg(long, conflicts_with = "successful")]
    failed: bool,
    /// Only those that did not.
    #[arg(long)]
    successful: bool,
    #[command(flatten)]
    list: ListFlags,
}

pub fn run(desk: &CliContext<'_>, arguments: Arguments) -> Result<(), Failure> {
    let filter = Filter {
        user: arguments.name,
        done: (arguments.failed || arguments.successful).then_some(arguments.successful),
        ..arguments.list.filter()
    };
    listing::print(
        desk,
        &arguments.list,
        filter,
        service::sign_ins,
        SignInAttempt::position,
    )
}

impl Row for SignInAttempt {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("atUtc", "AT", |attempt| attempt.at_utc.into()),
        Column::shown("outcome", "OUTCOME", |attempt| match attempt.outcome {
            SignInOutcome::Success => "success".into(),
            SignInOutcome::Failure => "failure".into(),
        }),
        Column::shown("username", "NAME", |attempt| (&attempt.username).into()),
        Column::shown("reason", "REASON", |attempt| {
            attempt
                .reason
                .map_or(Cell::Nothing, |reason| reason.as_str().into())
        }),
        Column::shown("ip", "FROM", |attempt| (&attempt.ip).into()),
        Column::shown("userAgent", "WITH", |attempt| (&attempt.user_agent).into()),
        Column::extra("userId", |attempt| id(attempt.user_id)),
        Column::extra("unknownNameId", |attempt| id(attempt.unknown_name_id)),
        Column::extra("sessionId", |attempt| id(attempt.session_id.map(|id| id.0))),
        Column::extra("id", |attempt| attempt.id.to_string().as_str().into()),
        Column::extra("traceId", |attempt| (&attempt.trace_id).into()),
    ];
}
