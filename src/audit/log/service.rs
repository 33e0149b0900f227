//! Pages of the log.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::model::{AuditEvent, Line, SignInAttempt};
use super::policy::{ByWhom, Filter, Position};
use super::store::{self, EventRow, Member, Said, Wanted};
use crate::access::authentication::{Can, needs};
use crate::access::passwords;
use crate::access::rate_limit::Target;
use crate::access::sessions;
use crate::platform::crypto::Vault;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::EventId;

/// Some of the newest lines that a filter lets through.
pub struct Asked {
    /// Which lines.
    pub filter: Filter,
    /// Those after this one.
    pub after: Option<Position>,
    /// At most so many.
    pub rows: i64,
    /// Whether they are to be counted.
    pub count: bool,
}

/// What was found, and how many there are in all if that was asked.
pub type Found<T> = (Vec<T>, Option<i64>);

/// What was done, the newest first.
///
/// # Errors
/// When the database fails.
pub fn events(
    tx: &mut Tx<'_>,
    vault: &Vault,
    _by: &Can<needs::ReadAudit>,
    asked: &Asked,
) -> Result<Found<AuditEvent>, AppError> {
    let (lines, total) = find(tx, vault, asked, None)?;
    Ok((lines.into_iter().map(AuditEvent::from).collect(), total))
}

/// Who tried to sign in, the newest first.
///
/// # Errors
/// When the database fails.
pub fn sign_ins(
    tx: &mut Tx<'_>,
    vault: &Vault,
    _by: &Can<needs::ReadAudit>,
    asked: &Asked,
) -> Result<Found<SignInAttempt>, AppError> {
    let (lines, total) = find(tx, vault, asked, Some(sessions::service::SIGN_IN))?;
    Ok((lines.into_iter().map(SignInAttempt::from).collect(), total))
}

fn find(
    tx: &mut Tx<'_>,
    vault: &Vault,
    asked: &Asked,
    only: Option<&'static str>,
) -> Result<Found<Line>, AppError> {
    let user = match &asked.filter.user {
        Some(text) => Some(whom(tx, vault, text)?),
        None => None,
    };
    let wanted = Wanted {
        filter: &asked.filter,
        user,
        said: said(tx, &asked.filter)?,
        only,
    };
    let rows = store::page(tx.conn, &wanted, asked.after, asked.rows)?;
    let total = asked.count.then(|| store::count(tx.conn, &wanted));
    Ok((lines(tx, rows)?, total.transpose()?))
}

/// The rows beside which the address and the name of the filter are written.
fn said(tx: &mut Tx<'_>, filter: &Filter) -> Result<Vec<Said>, AppError> {
    let mut said = Vec::new();
    if let Some(ip) = filter.ip {
        said.push(store::said(tx.conn, Member::Ip, ip.to_string())?);
    }
    if let Some(ByWhom::Name(name)) = &filter.actor {
        said.push(store::said(tx.conn, Member::Name, name.clone())?);
    }
    Ok(said)
}

/// What rows are about that are about this account, or this name.
fn whom(tx: &mut Tx<'_>, vault: &Vault, text: &str) -> Result<Uuid, AppError> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => match passwords::service::target(tx, vault, text)? {
            Target::Account(id) => Ok(id.0),
            Target::Nobody(stands_for) => Ok(stands_for),
        },
    }
}

/// The rows with what is written beside them.
fn lines(tx: &mut Tx<'_>, rows: Vec<EventRow>) -> Result<Vec<Line>, AppError> {
    let ids: Vec<EventId> = rows.iter().map(|row| row.id).collect();
    let mut words: HashMap<(EventId, String), Map<String, Value>> = HashMap::new();
    for (event, part, said) in store::words(tx.conn, &ids)? {
        if let Value::Object(said) = said {
            words.insert((event, part), said);
        }
    }
    let users: Vec<Uuid> = rows.iter().filter_map(|row| row.user_id).collect();
    let names: HashMap<Uuid, String> = store::usernames(tx.conn, &users)?.into_iter().collect();
    let mut take = |event, part: &str| words.remove(&(event, part.to_owned())).unwrap_or_default();
    let line = |row: EventRow| Line {
        actor: take(row.id, "actor"),
        subject: take(row.id, "subject"),
        username: row.user_id.and_then(|id| names.get(&id).cloned()),
        row,
    };
    Ok(rows.into_iter().map(line).collect())
}
