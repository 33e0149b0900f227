//! Choosing the accounts, and doing one act to one of them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::policy::BulkAction;
use crate::access::authentication::{Can, needs};
use crate::access::actor::Actor;
use crate::accounts::users::User;
use crate::accounts::credentials;
use crate::accounts::user_admin::service;
use crate::accounts::users::{self, UserFilter, UserPatch, UserSort};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::{IfMatch, PatchField};
use crate::platform::ids::UserId;

/// An account to act on.
#[derive(Clone, Debug)]
pub struct BulkTarget {
    /// Which.
    pub id: UserId,
    /// Its username, where the caller has been told it.
    pub username: Option<String>,
}

impl From<&User> for BulkTarget {
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
#[schema(as = Item)]
pub struct BulkItem {
    /// The account.
    pub id: UserId,
    /// Its username; `null` when the accounts were named by id.
    pub username: Option<String>,
    /// What came of it.
    pub outcome: BulkOutcome,
    /// Why it was refused: the code that the single call has.
    #[schema(example = "last_super_admin")]
    pub code: Option<&'static str>,
    /// The same for a person.
    pub detail: Option<String>,
}

/// What came of an act for one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Outcome)]
pub enum BulkOutcome {
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
    filter: &UserFilter,
    most: usize,
) -> Result<Vec<BulkTarget>, AppError> {
    let rows = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let (users, _) = users::service::list(tx, by, filter, UserSort::default(), None, rows, false)?;
    if users.len() > most {
        return Err(AppError::invalid_field(
            "/filter",
            "too_many",
            format!("it lets more than {most} accounts through"),
        ));
    }
    Ok(users.iter().map(BulkTarget::from).collect())
}

/// Whether the act can be done at all: a role that is to be given exists.
///
/// # Errors
/// [`Code::RequestInvalid`].
pub fn check(tx: &mut Tx<'_>, action: &BulkAction) -> Result<(), AppError> {
    match action {
        BulkAction::SetRole(role) => users::service::role_authority(tx, role).map(drop),
        _ => Ok(()),
    }
}

/// Whether the actor holds what the act needs.
///
/// # Errors
/// [`Code::PermissionRequired`].
pub fn authorize(by: &Arc<Actor>, action: &BulkAction) -> Result<(), AppError> {
    let by = Arc::clone(by);
    match action {
        BulkAction::Disable | BulkAction::Enable => Can::<needs::DisableUsers>::prove(by).map(drop),
        BulkAction::Delete | BulkAction::Restore | BulkAction::Purge => {
            Can::<needs::DeleteUsers>::prove(by).map(drop)
        }
        BulkAction::SignOut => Can::<needs::RevokeSessions>::prove(by).map(drop),
        BulkAction::Tag(_) | BulkAction::Untag(_) | BulkAction::SetRole(_) | BulkAction::ConfirmEmail(_) => {
            Can::<needs::UpdateUsers>::prove(by).map(drop)
        }
    }
}

/// Does the act to one account.
///
/// # Errors
/// Those of the single call.
pub fn act(tx: &mut Tx<'_>, by: &Arc<Actor>, action: &BulkAction, id: UserId) -> TxResult<()> {
    let any = &IfMatch::Absent;
    let by = Arc::clone(by);
    match action {
        BulkAction::Disable => service::set_active(tx, &Can::prove(by)?, id, false, any).map(drop),
        BulkAction::Enable => service::set_active(tx, &Can::prove(by)?, id, true, any).map(drop),
        BulkAction::Delete => service::delete(tx, &Can::prove(by)?, id, any),
        BulkAction::Restore => service::restore(tx, &Can::prove(by)?, id, any).map(drop),
        BulkAction::Purge => service::purge(tx, &Can::prove(by)?, id, any),
        BulkAction::SignOut => credentials::service::sign_out(tx, &Can::prove(by)?, id, any),
        BulkAction::Tag(tags) => set_tags(tx, &Can::prove(by)?, id, tags, true),
        BulkAction::Untag(tags) => set_tags(tx, &Can::prove(by)?, id, tags, false),
        BulkAction::SetRole(role) => {
            let patch = UserPatch {
                role: PatchField::Set(role.clone()),
                ..UserPatch::default()
            };
            service::update(tx, &Can::prove(by)?, id, &patch.check()?, any).map(drop)
        }
        BulkAction::ConfirmEmail(yes) => {
            let patch = UserPatch {
                email_confirmed: PatchField::Set(*yes),
                ..UserPatch::default()
            };
            service::update(tx, &Can::prove(by)?, id, &patch.check()?, any).map(drop)
        }
    }
}

/// What one account's transaction came to, as an item of the answer.
///
/// # Errors
/// What is not about this account: the database can't be reached, the caller is not known any more.
pub fn item(target: BulkTarget, done: Result<(), AppError>) -> Result<BulkItem, AppError> {
    let mut item = BulkItem {
        id: target.id,
        username: target.username,
        outcome: BulkOutcome::Done,
        code: None,
        detail: None,
    };
    if let Err(error) = done {
        if error.code().category().aborts_batch() {
            return Err(error);
        }
        item.outcome = BulkOutcome::Refused;
        item.code = Some(error.code().as_str());
        item.detail = Some(reason(&error));
    }
    Ok(item)
}

fn reason(error: &AppError) -> String {
    match (error.field_errors(), error.detail()) {
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
