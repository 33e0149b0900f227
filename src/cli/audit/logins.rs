//! `rosterd audit logins`: lists sign-in attempts.

use clap::Args;

use super::events::id;
use super::list_flags::{self, AuditListFlags};
use crate::audit::log::{AuditFilter, SignInAttempt, SignInOutcome, service};
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::output::{Cell, Column, TableRow};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd audit logins
  rosterd audit logins ada --since 24h
  rosterd audit logins --failed --ip 203.0.113.7 --csv

Unknown usernames are not stored, because users sometimes type their password into the username field. The attempts are still found when that exact text is given as NAME.")]
pub struct LoginsArgs {
    /// Only attempts with this username, email address or user id; unknown usernames are allowed.
    name: Option<String>,
    /// Only failed attempts.
    #[arg(long, conflicts_with = "successful")]
    failed: bool,
    /// Only successful attempts.
    #[arg(long)]
    successful: bool,
    #[command(flatten)]
    list: AuditListFlags,
}

pub fn run(context: &CliContext<'_>, args: LoginsArgs) -> Result<(), CliError> {
    let filter = AuditFilter {
        user: args.name,
        done: (args.failed || args.successful).then_some(args.successful),
        ..args.list.filter()
    };
    list_flags::print_rows(
        context,
        &args.list,
        filter,
        service::list_sign_ins,
        SignInAttempt::cursor,
    )
}

impl TableRow for SignInAttempt {
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
                .map_or(Cell::Empty, |reason| reason.as_str().into())
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
