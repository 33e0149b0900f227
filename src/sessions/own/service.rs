//! Seeing and ending one's own sessions.

use serde_json::json;

use crate::audit::{self, Act, Subject};
use crate::auth::SignedIn;
use crate::db::Tx;
use crate::error::{Acted, AppError, Code};
use crate::http::IfMatch;
use crate::ids::SessionId;
use crate::sessions::model::Session;
use crate::sessions::rules::{Ending, Filter};
use crate::sessions::service::{end, end_all};
use crate::sessions::store;

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
pub fn end_one(tx: &mut Tx<'_>, by: &SignedIn, id: SessionId, expected: &IfMatch) -> Acted<()> {
    by.renew(tx)?;
    store::live(tx.conn, id, tx.now)?
        .filter(|row| row.user_id == by.id)
        .ok_or(Code::NotFound)?;
    expected.check(Session::VERSION)?;
    end(tx, by.id, id, Ending::SignedOut)?;
    audit::record(tx, by, Act::new("session.end", Subject::Session(id, by.id)))?;
    Ok(())
}

/// Ends all sessions of the caller's account but the one that asks.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when that one has ended meanwhile.
pub fn end_others(tx: &mut Tx<'_>, by: &SignedIn) -> Acted<()> {
    by.renew(tx)?;
    let ended = end_all(tx, by.id, Ending::SignedOut, Some(by.session))?;
    let act = Act::new("session.endOthers", Subject::User(by.id))
        .changing(json!({"otherSessions": ended}), json!({"otherSessions": 0}));
    audit::record(tx, by, act)?;
    Ok(())
}
