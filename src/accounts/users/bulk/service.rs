//! Choosing the accounts, and doing one act to one of them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::policy::Action;
use crate::access::authentication::{Actor, Can, needs};
use crate::accounts::users::User;
use crate::accounts::users::service::{self, Filter, UserPatch};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::{IfMatch, Patch};
use crate::platform::ids::UserId;

/// An account to act on.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub id: UserId,
    /// Its username, where the caller has been told it.
    pub username: Option<String>,
}

impl From<&User> for Target {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: Some(user.username.clone()),
        }
    }
}

/// What came of the act for one account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The account.
    pub id: UserId,
    /// Its username; `null` when the accounts were named by id.
    pub username: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused: the code that the single call has.
    #[schema(example = "last_super_admin")]
    pub code: Option<&'static str>,
    /// The same for a person.
    pub detail: Option<String>,
}

/// What came of an act for one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is so now, whether or not it was so before; in a dry run: it would be.
    Done,
    /// It was refused.
    Refused,
}

/// The accounts that a filter lets through.
///
/// # Errors
/// [`Code::RequestInvalid`] when there are more than `most`.
pub fn select(
    tx: &mut Tx<'_>,
    by: &Can<needs::ReadUsers>,
    filter: &Filter,
    most: usize,
) -> Result<Vec<Target>, AppError> {
    let rows = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let (users, _) = service::list(tx, by, filter, None, rows, false)?;
    if users.len() > most {
        return Err(AppError::fault(
            "/filter",
            "too_many",
            format!("it lets more than {most} accounts through"),
        ));
    }
    Ok(users.iter().map(Target::from).collect())
}

/// Whether the act can be done at all: a role that is to be given exists.
///
/// # Errors
/// [`Code::RequestInvalid`].
pub fn check(tx: &mut Tx<'_>, action: &Action) -> Result<(), AppError> {
    match action {
        Action::SetRole(role) => service::role_at(tx, role).map(drop),
        _ => Ok(()),
    }
}

/// Whether the actor holds what the act needs.
///
/// # Errors
/// [`Code::PermissionRequired`].
pub fn authorize(by: &Arc<Actor>, action: &Action) -> Result<(), AppError> {
    let by = Arc::clone(by);
    match action {
        Action::Disable | Action::Enable => Can::<needs::DisableUsers>::prove(by).map(drop),
        Action::Delete | Action::Restore | Action::Purge => {
            Can::<needs::DeleteUsers>::prove(by).map(drop)
        }
        Action::SignOut => Can::<needs::RevokeSessions>::prove(by).map(drop),
        Action::Tag(_) | Action::Untag(_) | Action::SetRole(_) | Action::ConfirmEmail(_) => {
            Can::<needs::UpdateUsers>::prove(by).map(drop)
        }
    }
}

/// Does the act to one account.
///
/// # Errors
/// Those of the single call.
pub fn act(tx: &mut Tx<'_>, by: &Arc<Actor>, action: &Action, id: UserId) -> TxResult<()> {
    let any = &IfMatch::Absent;
    let by = Arc::clone(by);
    match action {
        Action::Disable => service::set_active(tx, &Can::prove(by)?, id, false, any).map(drop),
        Action::Enable => service::set_active(tx, &Can::prove(by)?, id, true, any).map(drop),
        Action::Delete => service::delete(tx, &Can::prove(by)?, id, any),
        Action::Restore => service::restore(tx, &Can::prove(by)?, id, any).map(drop),
        Action::Purge => service::purge(tx, &Can::prove(by)?, id, any),
        Action::SignOut => service::sign_out(tx, &Can::prove(by)?, id, any),
        Action::Tag(tags) => set_tags(tx, &Can::prove(by)?, id, tags, true),
        Action::Untag(tags) => set_tags(tx, &Can::prove(by)?, id, tags, false),
        Action::SetRole(role) => {
            let patch = UserPatch {
                role: Patch::Set(role.clone()),
                ..UserPatch::default()
            };
            service::change(tx, &Can::prove(by)?, id, &patch.check()?, any).map(drop)
        }
        Action::ConfirmEmail(yes) => {
            let patch = UserPatch {
                email_confirmed: Patch::Set(*yes),
                ..UserPatch::default()
            };
            service::change(tx, &Can::prove(by)?, id, &patch.check()?, any).map(drop)
        }
    }
}

/// What one account's transaction came to, as an item of the answer.
///
/// # Errors
/// What is not about this account: the database can't be reached, the caller is not known any more.
pub fn item(target: Target, done: Result<(), AppError>) -> Result<Item, AppError> {
    let mut item = Item {
        id: target.id,
        username: target.username,
        outcome: Outcome::Done,
        code: None,
        detail: None,
    };
    if let Err(error) = done {
        if error.code().kind().is_about_more_than_one() {
            return Err(error);
        }
        item.outcome = Outcome::Refused;
        item.code = Some(error.code().as_str());
        item.detail = Some(reason(&error));
    }
    Ok(item)
}

fn reason(error: &AppError) -> String {
    match (error.faults(), error.detail_text()) {
        ([fault, ..], _) => fault.detail.to_string(),
        ([], Some(detail)) => detail.to_owned(),
        ([], None) if error.code() == Code::NotFound => "There is no such account".to_owned(),
        ([], None) => error.code().title().to_owned(),
    }
}

fn set_tags(
    tx: &mut Tx<'_>,
    by: &Can<needs::UpdateUsers>,
    id: UserId,
    tags: &[String],
    present: bool,
) -> TxResult<()> {
    tags.iter()
        .try_for_each(|tag| service::set_tag(tx, by, id, tag, present, &IfMatch::Absent).map(drop))
}
