//! Listing and ending the caller's own sessions.

use serde_json::json;

use crate::access::actor::Principal;
use crate::access::authentication::SignedIn;
use crate::access::authentication::row_locks::{self, RowLock};
use crate::access::rate_limit::account_budget::{self, RecordBudget};
use crate::access::sessions::model::Session;
use crate::access::sessions::policy::{EndReason, SessionFilter};
use crate::access::sessions::service::{END_SESSION, end, end_all_of_user};
use crate::access::sessions::store;
use crate::access::tokens::{self, PersonalTokens};
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::SessionId;

/// At most `limit` of the caller's sessions after `after`, the newest first, and their total number if `count` is set.
///
/// # Errors
/// Database errors.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    after: Option<SessionId>,
    limit: i64,
    count: bool,
) -> Result<(Vec<Session>, Option<i64>), AppError> {
    let filter = SessionFilter {
        user: Some(caller.id),
        ip: None,
    };
    let rows = store::page(tx.conn, &filter, None, after, limit, tx.now)?;
    let total = count.then(|| store::count_matching(tx.conn, &filter, None, tx.now));
    let to_session = |row| Session::new(row, Some(caller.session));
    Ok((
        rows.into_iter().map(to_session).collect(),
        total.transpose()?,
    ))
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// [`Code::NotFound`] for a session that has ended or belongs to another account; 412.
pub fn end_session(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    id: SessionId,
    if_match: &IfMatch,
) -> TxResult<()> {
    tx.wait_for_leases();
    caller.current_authority(tx)?;
    store::find_active(tx.conn, id, tx.now)?
        .filter(|row| row.user_id == caller.id)
        .ok_or(Code::NotFound)?;
    if_match.check(Session::VERSION)?;
    if end(tx, caller.id, id, EndReason::SignedOut)? {
        let entry = AuditEntry::new(END_SESSION, Subject::Session(id, caller.id));
        audit::record(tx, caller, entry)?;
    }
    Ok(())
}

/// Ends all of the caller's sessions except the session of the request, and the caller's personal access tokens if requested.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the session of the request has ended.
pub fn end_other_sessions(
    tx: &mut Tx<'_>,
    caller: &SignedIn,
    tokens: PersonalTokens,
) -> TxResult<()> {
    tx.wait_for_leases();
    // The creation of a token locks this row too, so no token is created after those that end here.
    row_locks::lock_principals(tx, [(Principal::User(caller.id), RowLock::Exclusive)])?;
    caller.current_authority(tx)?;
    let tokens = tokens::service::end_if_requested(tx, caller.id, tokens)?;
    let ended = end_all_of_user(tx, caller.id, EndReason::SignedOut, Some(caller.session))?;
    let is_empty = ended == 0 && tokens == 0;
    if is_empty && !account_budget::is_recorded(tx, caller.id, RecordBudget::EmptyRevocations)? {
        return Ok(());
    }
    let entry = AuditEntry::new("session.endOthers", Subject::User(caller.id)).with_change(
        json!({"otherSessions": ended, "tokens": tokens}),
        json!({"otherSessions": 0, "tokens": 0}),
    );
    audit::record(tx, caller, entry)?;
    Ok(())
}
