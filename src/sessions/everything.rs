//! Ending whatever anybody gets in with, for an operator who has to begin anew.

use serde_json::{Value, json};

use super::rules::Ending;
use super::store;
use crate::audit::{self, Act, Subject};
use crate::auth::Actor;
use crate::db::{Touched, Tx};
use crate::error::Acted;
use crate::{clients, tokens};

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
pub fn end_everything(tx: &mut Tx<'_>, operator: &Actor) -> Acted<Ended> {
    tx.touch(Touched::Everyone);
    let ended = Ended {
        sessions: store::end_every(tx.conn, Ending::SignedOutByOther.as_str(), tx.now)?,
        tokens: tokens::service::end_every(tx)?,
        grants: clients::service::end_all_grants(tx)?,
    };
    let told = json!({"sessions": ended.sessions, "tokens": ended.tokens, "grants": ended.grants});
    let act = Act::new("access.reset", Subject::Nothing).changing(told, Value::Null);
    audit::record(tx, operator, act)?;
    Ok(ended)
}
