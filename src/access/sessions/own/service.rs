//! Seeing and ending one's own sessions.

use serde_json::json;

use crate::access::authentication::SignedIn;
use crate::access::sessions::model::Session;
use crate::access::sessions::policy::{EndReason, Filter};
use crate::access::sessions::service::{end, end_all};
use crate::access::sessions::store;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::IfMatch;
use crate::platform::ids::SessionId;

/// At most `rows` of the caller's sessions after `after`, the newest first, and if that is asked how many there are.
///
/// # Errors
/// When the database fails.
pub fn list(
    tx: &mut Tx<'_>,
    by: &SignedIn,
    after: Option<SessionId>,
    rows: i64,
    count: bool,
) -> Result<(Vec<Session>, Option<i64>), AppError> {
    let filter = Filter {
        user: Some(by.id),
        ip: None,
    };
    let found = store::page(tx.conn, &filter, None, after, rows, tx.now)?;
    let total = count.then(|| store::count_all(tx.conn, &filter, None, tx.now));
    let present = |row| Session::new(row, Some(by.session));
    Ok((found.into_iter().map(present).collect(), total.transpose()?))
}

/// Ends one session of the caller's.
///
/// # Errors
/// [`Code::NotFound`] for one that has ended, and for anybody else's; 412.
pub fn end_one(tx: &mut Tx<'_>, by: &SignedIn, id: SessionId, expected: &IfMatch) -> TxResult<()> {
    by.current_authority(tx)?;
    store::live(tx.conn, id, tx.now)?
        .filter(|row| row.user_id == by.id)
        .ok_or(Code::NotFound)?;
    expected.check(Session::VERSION)?;
    end(tx, by.id, id, EndReason::SignedOut)?;
    audit::record(
        tx,
        by,
        AuditEntry::new("session.end", Subject::Session(id, by.id)),
    )?;
    Ok(())
}

/// Ends all sessions of the caller's account but the one that asks.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when that one has ended meanwhile.
pub fn end_others(tx: &mut Tx<'_>, by: &SignedIn) -> TxResult<()> {
    by.current_authority(tx)?;
    let ended = end_all(tx, by.id, EndReason::SignedOut, Some(by.session))?;
    let act = AuditEntry::new("session.endOthers", Subject::User(by.id))
        .with_change(json!({"otherSessions": ended}), json!({"otherSessions": 0}));
    audit::record(tx, by, act)?;
    Ok(())
}
