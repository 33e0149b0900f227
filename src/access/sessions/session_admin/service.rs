//! Listing, showing and ending the sessions of all accounts.

use uuid::Uuid;

use crate::access::authentication::{Can, needs};
use crate::access::sessions::model::Session;
use crate::access::sessions::policy::{EndReason, SessionFilter};
use crate::access::sessions::service::{END_SESSION, end};
use crate::access::sessions::store::{self, VisibleOwners};
use crate::accounts::users;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::{IdPrefix, Tx};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::SessionId;

/// At most `limit` matching sessions after `after`, the newest first, and their total number if `count` is set. Sessions of
/// accounts that the caller may not see are left out.
///
/// # Errors
/// 403 when the filter names an account that the caller may not see.
pub fn list(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ReadSessions>,
    filter: &SessionFilter,
    after: Option<SessionId>,
    limit: i64,
    count: bool,
) -> TxResult<(Vec<Session>, Option<i64>)> {
    let owners = match filter.user {
        Some(id) if users::service::find(tx, id)?.is_some() => {
            users::service::authorize_reading_sessions(tx, caller, id, "session.list")?;
            None
        }
        Some(_) => None,
        None => users::service::readable_roles(tx, caller)?.map(|roles| VisibleOwners {
            roles,
            caller: caller.user_id(),
        }),
    };
    let rows = store::page(tx.conn, filter, owners.as_ref(), after, limit, tx.now)?;
    let total = count.then(|| store::count_matching(tx.conn, filter, owners.as_ref(), tx.now));
    let to_session = |row| Session::new(row, caller.session_id());
    Ok((
        rows.into_iter().map(to_session).collect(),
        total.transpose()?,
    ))
}

/// The active session with this id.
///
/// # Errors
/// [`Code::NotFound`]; 403 if the caller may not manage the account.
pub fn show(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ReadSessions>,
    id: SessionId,
) -> TxResult<Session> {
    let row = store::find_active(tx.conn, id, tx.now)?.ok_or(Code::NotFound)?;
    users::service::authorize_reading_sessions(tx, caller, row.user_id, "session.show")?;
    Ok(Session::new(row, caller.session_id()))
}

/// Ends a session.
///
/// # Errors
/// [`Code::NotFound`] for a session that has ended; 403 if the caller may not manage the account; 412.
pub fn end_session(
    tx: &mut Tx<'_>,
    caller: &Can<needs::RevokeSessions>,
    id: SessionId,
    if_match: &IfMatch,
) -> TxResult<()> {
    tx.wait_for_leases();
    let row = store::find_active(tx.conn, id, tx.now)?.ok_or(Code::NotFound)?;
    users::service::lock_for_sign_out(tx, caller, row.user_id, END_SESSION, &IfMatch::Absent)?;
    if_match.check(Session::VERSION)?;
    end(tx, row.user_id, id, EndReason::SignedOutByOther)?;
    let entry = AuditEntry::new(END_SESSION, Subject::Session(id, row.user_id));
    audit::record(tx, caller, entry)?;
    Ok(())
}

/// At most two ids of sessions that begin with this prefix.
///
/// # Errors
/// Database errors.
pub fn find_ids(tx: &mut Tx<'_>, prefix: IdPrefix) -> Result<Vec<Uuid>, AppError> {
    Ok(store::find_ids(tx.conn, prefix)?)
}
