//! `rosterd audit events`.

use clap::Args;

use super::listing::{self, ListFlags};
use crate::audit::log::{ActionFilter, AuditEvent, ByWhom, Filter, Outcome, service};
use crate::cli::Failure;
use crate::cli::context::CliContext;
use crate::cli::output::{Cell, Column, Row};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd audit events
  rosterd audit events ada --since 7d
  rosterd audit events --action 'user.*' --actor cli
  rosterd audit events --refused -n 20 --json")]
pub struct Arguments {
    /// Part of the action, of a name or of an address.
    search: Option<String>,
    /// Only what was done to this account, its sessions and tokens: its name or id.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only what this one did: a name, an id, or cli, system, user, token, client, anonymous.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only this action, such as user.update; user.* for all that begin so.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done.
    #[arg(long, conflicts_with = "refused")]
    done: bool,
    /// Only what was refused.
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    list: ListFlags,
}

pub fn run(desk: &CliContext<'_>, arguments: Arguments) -> Result<(), Failure> {
    let filter = Filter {
        query: arguments.search.filter(|part| !part.is_empty()),
        user: arguments.user,
        actor: arguments.actor.as_deref().map(ByWhom::parse),
        action: arguments.action.as_deref().map(ActionFilter::parse),
        done: (arguments.done || arguments.refused).then_some(arguments.done),
        ..arguments.list.filter()
    };
    listing::print(
        desk,
        &arguments.list,
        filter,
        service::events,
        AuditEvent::position,
    )
}

impl Row for AuditEvent {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::shown("atUtc", "AT", |event| event.at_utc.into()),
        Column::shown("action", "ACTION", |event| (&event.action).into()),
        Column::shown("outcome", "OUTCOME", |event| {
            match (event.outcome, &event.code) {
                (Outcome::Refused, Some(code)) => code.into(),
                (Outcome::Refused, None) => "refused".into(),
                (Outcome::Done, _) => "done".into(),
            }
        }),
        Column::shown("actor", "BY", |event| {
            let kind = event.actor.kind.as_str();
            match &event.actor.name {
                Some(name) => format!("{kind}:{name}").as_str().into(),
                None => kind.into(),
            }
        }),
        Column::shown("ip", "FROM", |event| (&event.ip).into()),
        Column::shown("subject", "TO", |event| match &event.subject {
            Some(subject) => {
                let called = subject.username.as_ref().unwrap_or(&subject.id);
                format!("{}:{called}", subject.kind).as_str().into()
            }
            None => Cell::Nothing,
        }),
        Column::extra("before", |event| json(event.before.as_ref())),
        Column::extra("after", |event| json(event.after.as_ref())),
        Column::extra("userAgent", |event| (&event.user_agent).into()),
        Column::extra("id", |event| event.id.to_string().as_str().into()),
        Column::extra("actorId", |event| id(event.actor.id)),
        Column::extra("subjectId", |event| {
            event
                .subject
                .as_ref()
                .map_or(Cell::Nothing, |subject| (&subject.id).into())
        }),
        Column::extra("traceId", |event| (&event.trace_id).into()),
    ];
}

fn json(value: Option<&serde_json::Value>) -> Cell {
    value.map_or(Cell::Nothing, Cell::from)
}

pub(super) fn id(id: Option<uuid::Uuid>) -> Cell {
    id.map_or(Cell::Nothing, |id| id.to_string().as_str().into())
}
