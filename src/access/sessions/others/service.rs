//! Seeing and ending everybody's sessions.

use crate::access::authentication::{Can, needs};
use crate::access::sessions::model::Session;
use crate::access::sessions::policy::{EndReason, Filter};
use crate::access::sessions::service::end;
use crate::access::sessions::store::{self, Owners};
use crate::accounts::users;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::SessionId;

/// At most `rows` sessions after `after`, the newest first, and if that is asked how many there are; of those accounts
/// that the caller may watch.
///
/// # Errors
/// The refusals of the rules of authority when the filter names an account that the caller may not watch.
pub fn list(
    tx: &mut Tx<'_>,
    by: &Can<needs::ReadSessions>,
    filter: &Filter,
    after: Option<SessionId>,
    rows: i64,
    count: bool,
) -> TxResult<(Vec<Session>, Option<i64>)> {
    let owners = match filter.user {
        Some(id) if users::service::find(tx, id)?.is_some() => {
            users::service::authorize_reading_sessions(tx, by, id, "session.list")?;
            None
        }
        Some(_) => None,
        None => users::service::readable_roles(tx, by)?.map(|roles| Owners {
            roles,
            and: by.user_id(),
        }),
    };
    let found = store::page(tx.conn, filter, owners.as_ref(), after, rows, tx.now)?;
    let total = count.then(|| store::count_all(tx.conn, filter, owners.as_ref(), tx.now));
    let present = |row| Session::new(row, by.session_id());
    Ok((found.into_iter().map(present).collect(), total.transpose()?))
}

/// Shows a session that has not ended.
///
/// # Errors
/// [`Code::NotFound`]; the refusals of the rules of authority.
pub fn show(tx: &mut Tx<'_>, by: &Can<needs::ReadSessions>, id: SessionId) -> TxResult<Session> {
    let row = store::live(tx.conn, id, tx.now)?.ok_or(Code::NotFound)?;
    users::service::authorize_reading_sessions(tx, by, row.user_id, "session.show")?;
    Ok(Session::new(row, by.session_id()))
}

/// Ends a session.
///
/// # Errors
/// [`Code::NotFound`] for one that has ended; the refusals of the rules of authority; 412.
pub fn end_one(
    tx: &mut Tx<'_>,
    by: &Can<needs::RevokeSessions>,
    id: SessionId,
    expected: &IfMatch,
) -> TxResult<()> {
    const ACT: &str = "session.end";
    let row = store::live(tx.conn, id, tx.now)?.ok_or(Code::NotFound)?;
    users::service::lock_for_sign_out(tx, by, row.user_id, ACT, &IfMatch::Absent)?;
    expected.check(Session::VERSION)?;
    end(tx, row.user_id, id, EndReason::SignedOutByOther)?;
    audit::record(
        tx,
        by,
        AuditEntry::new(ACT, Subject::Session(id, row.user_id)),
    )?;
    Ok(())
}
