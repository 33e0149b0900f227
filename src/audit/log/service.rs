//! Lists of audit events and sign-in attempts, newest first.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::filter::{ActorFilter, AuditCursor, AuditFilter};
use super::model::{AuditEvent, AuditEventRecord, SignInAttempt};
use super::store::{self, ActorField, ActorFieldMatch, AuditEventRow, ResolvedFilter};
use crate::access::authentication::{Can, needs};
use crate::access::password_check;
use crate::access::rate_limit::LoginTarget;
use crate::access::sessions;
use crate::platform::crypto::Vault;
use crate::platform::db::Tx;
use crate::platform::error::AppError;
use crate::platform::ids::AuditEventId;

/// A request for one page of events, newest first.
pub struct AuditQuery {
    /// Which events.
    pub filter: AuditFilter,
    /// Only events after this position.
    pub after: Option<AuditCursor>,
    /// The maximum number of events.
    pub rows: i64,
    /// Whether to return the total number of matching events.
    pub count: bool,
}

/// One page, and the total number if it was requested.
pub type AuditPage<T> = (Vec<T>, Option<i64>);

/// Lists audit events, newest first.
///
/// # Errors
/// Database errors.
pub fn list_events(
    tx: &mut Tx<'_>,
    vault: &Vault,
    caller: &Can<needs::ReadAudit>,
    query: &AuditQuery,
) -> Result<AuditPage<AuditEvent>, AppError> {
    let (records, total) = find(tx, vault, caller, query, None)?;
    Ok((records.into_iter().map(AuditEvent::from).collect(), total))
}

/// Lists sign-in attempts, newest first.
///
/// # Errors
/// Database errors.
pub fn list_sign_ins(
    tx: &mut Tx<'_>,
    vault: &Vault,
    caller: &Can<needs::ReadAudit>,
    query: &AuditQuery,
) -> Result<AuditPage<SignInAttempt>, AppError> {
    let (records, total) = find(tx, vault, caller, query, Some(sessions::service::SIGN_IN))?;
    let attempts = records.into_iter().map(SignInAttempt::from).collect();
    Ok((attempts, total))
}

fn find(
    tx: &mut Tx<'_>,
    vault: &Vault,
    caller: &Can<needs::ReadAudit>,
    query: &AuditQuery,
    action: Option<&'static str>,
) -> Result<AuditPage<AuditEventRecord>, AppError> {
    let user_id = match &query.filter.user {
        Some(text) => Some(resolve_user(tx, vault, text)?),
        None => None,
    };
    let sees_purged_names = caller.authority.is_super_admin();
    let filter = ResolvedFilter {
        filter: &query.filter,
        user_id,
        actor_matches: actor_matches(tx, &query.filter, sees_purged_names)?,
        action,
        sees_purged_names,
    };
    let rows = store::page(tx.conn, &filter, query.after, query.rows)?;
    let total = query.count.then(|| store::count(tx.conn, &filter));
    Ok((
        with_personal_data(tx, rows, sees_purged_names)?,
        total.transpose()?,
    ))
}

/// The events that match the IP address and the actor name of the filter.
fn actor_matches(
    tx: &mut Tx<'_>,
    filter: &AuditFilter,
    sees_purged_names: bool,
) -> Result<Vec<ActorFieldMatch>, AppError> {
    let ip = filter.ip.map(|ip| (ActorField::Ip, ip.to_string()));
    let name = match &filter.actor {
        Some(ActorFilter::Name(name)) => Some((ActorField::Name, name.clone())),
        _ => None,
    };
    let mut matches = Vec::new();
    for (field, value) in ip.into_iter().chain(name) {
        let found = store::find_by_actor_field(tx.conn, field, value, sees_purged_names)?;
        matches.push(found);
    }
    Ok(matches)
}

/// The id of the account with this id or login name, or the keyed hash of an unknown name.
fn resolve_user(tx: &mut Tx<'_>, vault: &Vault, text: &str) -> Result<Uuid, AppError> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => match password_check::service::resolve_login_target(tx, vault, text)? {
            LoginTarget::Account(id) => Ok(id.0),
            LoginTarget::UnknownUsername(hash) => Ok(hash),
        },
    }
}

/// Adds personal data and current usernames to event rows.
fn with_personal_data(
    tx: &mut Tx<'_>,
    rows: Vec<AuditEventRow>,
    sees_purged_names: bool,
) -> Result<Vec<AuditEventRecord>, AppError> {
    let ids: Vec<AuditEventId> = rows.iter().map(|row| row.id).collect();
    let mut personal_data: HashMap<(AuditEventId, String), Map<String, Value>> = HashMap::new();
    for (event, part, data) in store::personal_data(tx.conn, &ids, sees_purged_names)? {
        if let Value::Object(data) = data {
            personal_data.insert((event, part), data);
        }
    }
    let users: Vec<Uuid> = rows.iter().filter_map(|row| row.user_id).collect();
    let usernames: HashMap<Uuid, String> = store::usernames(tx.conn, &users)?.into_iter().collect();
    let mut take = |event, part: &str| {
        personal_data
            .remove(&(event, part.to_owned()))
            .unwrap_or_default()
    };
    let record = |row: AuditEventRow| AuditEventRecord {
        actor: take(row.id, "actor"),
        subject: take(row.id, "subject"),
        username: row.user_id.and_then(|id| usernames.get(&id).cloned()),
        row,
    };
    Ok(rows.into_iter().map(record).collect())
}
