//! Ending whatever anybody gets in with, for an operator who has to begin anew.

use serde_json::{Value, json};

use super::policy::EndReason;
use super::store;
use crate::access::authentication::Actor;
use crate::access::clients;
use crate::access::tokens;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{Invalidation, Tx};
use crate::platform::error::TxResult;

/// How much was ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Sessions.
    pub sessions: usize,
    /// Personal access tokens.
    pub tokens: usize,
    /// Access tokens of service clients.
    pub grants: usize,
}

/// Ends every session, every personal access token and what every service client was given. It is for the operator: nobody
/// else stands above everybody.
///
/// # Errors
/// When the database fails.
pub fn end_everything(tx: &mut Tx<'_>, operator: &Actor) -> TxResult<Ended> {
    tx.invalidate(Invalidation::All);
    let ended = Ended {
        sessions: store::end_every(tx.conn, EndReason::SignedOutByOther.as_str(), tx.now)?,
        tokens: tokens::service::end_every(tx)?,
        grants: clients::service::end_all_grants(tx)?,
    };
    let told = json!({"sessions": ended.sessions, "tokens": ended.tokens, "grants": ended.grants});
    let act = AuditEntry::new("access.reset", Subject::Nothing).changing(told, Value::Null);
    audit::record(tx, operator, act)?;
    Ok(ended)
}
