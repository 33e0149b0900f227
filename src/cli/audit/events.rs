//! `rosterd audit events`: lists audited actions.

use clap::Args;

use super::list_flags::{self, AuditListFlags};
use crate::audit::log::{ActionFilter, ActorFilter, AuditEvent, AuditFilter, Outcome, service};
use crate::cli::CliError;
use crate::cli::context::CliContext;
use crate::cli::output::{Cell, Column, TableRow};

#[derive(Args)]
#[command(after_help = "\
Examples:
  rosterd audit events
  rosterd audit events ada --since 7d
  rosterd audit events --action 'user.*' --actor cli
  rosterd audit events --refused -n 20 --json")]
pub struct EventsArgs {
    /// Only entries whose action, name or address contains this text.
    search: Option<String>,
    /// Only actions on this user, including the sessions and tokens: username or id.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only actions by this actor: a name, an id, or one of cli, system, user, token, client, anonymous.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only this action, such as user.update; user.* selects all actions with that prefix.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only successful actions.
    #[arg(long, conflicts_with = "refused")]
    done: bool,
    /// Only refused actions.
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    list: AuditListFlags,
}

pub fn run(context: &CliContext<'_>, args: EventsArgs) -> Result<(), CliError> {
    let filter = AuditFilter {
        query: args.search.filter(|text| !text.is_empty()),
        user: args.user,
        actor: args.actor.as_deref().map(ActorFilter::parse),
        action: args.action.as_deref().map(ActionFilter::parse),
        done: (args.done || args.refused).then_some(args.done),
        ..args.list.filter()
    };
    list_flags::print_rows(
        context,
        &args.list,
        filter,
        service::list_events,
        AuditEvent::cursor,
    )
}

impl TableRow for AuditEvent {
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
                let name = subject.username.as_ref().unwrap_or(&subject.id);
                format!("{}:{name}", subject.kind).as_str().into()
            }
            None => Cell::Empty,
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
                .map_or(Cell::Empty, |subject| (&subject.id).into())
        }),
        Column::extra("traceId", |event| (&event.trace_id).into()),
    ];
}

fn json(value: Option<&serde_json::Value>) -> Cell {
    value.map_or(Cell::Empty, Cell::from)
}

pub(super) fn id(id: Option<uuid::Uuid>) -> Cell {
    id.map_or(Cell::Empty, |id| id.to_string().as_str().into())
}
