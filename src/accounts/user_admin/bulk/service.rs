//! Selecting the accounts, and performing an action on one of them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::action::BulkAction;
use crate::access::actor::Actor;
use crate::access::authentication::{Can, needs};
use crate::accounts::credentials;
use crate::accounts::user_admin::service;
use crate::accounts::users::{self, User, UserFilter, UserPatch, UserSort};
use crate::platform::db::{Db, Tx, WriteBatch};
use crate::platform::error::{AppError, Code, TxResult};
use crate::platform::http::{IfMatch, PatchField};
use crate::platform::ids::UserId;

/// An account to perform the action on.
#[derive(Clone, Debug)]
pub struct BulkTarget {
    /// The account.
    pub id: UserId,
    /// Its username, if the caller may read it.
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

/// The result for one account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkItem)]
pub struct BulkItem {
    /// The account.
    pub id: UserId,
    /// Its username; `null` when the request has `ids`.
    pub username: Option<String>,
    /// The outcome.
    pub outcome: BulkOutcome,
    /// Why the action was refused: the error code of the single request.
    #[schema(example = "last_super_admin")]
    pub code: Option<&'static str>,
    /// The reason as a text.
    pub detail: Option<String>,
}

/// The outcome for one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkOutcome)]
pub enum BulkOutcome {
    /// The action was performed, or had no effect because the account was already in that state. In a dry run: it would be.
    Done,
    /// It was refused.
    Refused,
}

/// The accounts that match a filter.
///
/// # Errors
/// [`Code::RequestInvalid`] when there are more than `max`.
pub fn find_targets(
    tx: &mut Tx<'_>,
    caller: &Can<needs::ReadUsers>,
    filter: &UserFilter,
    max: usize,
) -> Result<Vec<BulkTarget>, AppError> {
    let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
    let sort = UserSort::default();
    let (users, _) = users::service::list(tx, caller, filter, sort, None, limit, false)?;
    if users.len() > max {
        return Err(AppError::invalid_field(
            "/filter",
            "too_many",
            format!("must match at most {max} accounts"),
        ));
    }
    Ok(users.iter().map(BulkTarget::from).collect())
}

/// Checks that the role of [`BulkAction::SetRole`] exists.
///
/// # Errors
/// [`Code::RequestInvalid`].
pub fn check_role_exists(tx: &mut Tx<'_>, action: &BulkAction) -> Result<(), AppError> {
    match action {
        BulkAction::SetRole(role) => users::service::role_authority(tx, role).map(drop),
        _ => Ok(()),
    }
}

/// Checks that the actor holds the permission that the action needs.
///
/// # Errors
/// [`Code::PermissionRequired`].
pub fn authorize(actor: &Arc<Actor>, action: &BulkAction) -> Result<(), AppError> {
    let actor = Arc::clone(actor);
    match action {
        BulkAction::Disable | BulkAction::Enable => {
            Can::<needs::DisableUsers>::prove(actor).map(drop)
        }
        BulkAction::Delete | BulkAction::Restore | BulkAction::Purge => {
            Can::<needs::DeleteUsers>::prove(actor).map(drop)
        }
        BulkAction::SignOut(_) => Can::<needs::RevokeSessions>::prove(actor).map(drop),
        BulkAction::Tag(_)
        | BulkAction::Untag(_)
        | BulkAction::SetRole(_)
        | BulkAction::ConfirmEmail(_) => Can::<needs::UpdateUsers>::prove(actor).map(drop),
    }
}

/// Performs the action on one account.
///
/// # Errors
/// Those of the service function of the single request.
pub fn apply_action(
    tx: &mut Tx<'_>,
    actor: &Arc<Actor>,
    action: &BulkAction,
    id: UserId,
) -> TxResult<()> {
    let any = &IfMatch::Absent;
    let actor = Arc::clone(actor);
    match action {
        BulkAction::Disable => {
            service::set_active(tx, &Can::prove(actor)?, id, false, any).map(drop)
        }
        BulkAction::Enable => service::set_active(tx, &Can::prove(actor)?, id, true, any).map(drop),
        BulkAction::Delete => service::delete(tx, &Can::prove(actor)?, id, any),
        BulkAction::Restore => service::restore(tx, &Can::prove(actor)?, id, any).map(drop),
        BulkAction::Purge => service::purge(tx, &Can::prove(actor)?, id, any),
        BulkAction::SignOut(tokens) => {
            credentials::service::sign_out(tx, &Can::prove(actor)?, id, *tokens, any)
        }
        BulkAction::Tag(tags) => set_tags(tx, &Can::prove(actor)?, id, tags, true),
        BulkAction::Untag(tags) => set_tags(tx, &Can::prove(actor)?, id, tags, false),
        BulkAction::SetRole(role) => {
            let patch = UserPatch {
                role: PatchField::Set(role.clone()),
                ..UserPatch::default()
            };
            service::update(tx, &Can::prove(actor)?, id, &patch.check()?, any).map(drop)
        }
        BulkAction::ConfirmEmail(is_confirmed) => {
            let patch = UserPatch {
                email_confirmed: PatchField::Set(*is_confirmed),
                ..UserPatch::default()
            };
            service::update(tx, &Can::prove(actor)?, id, &patch.check()?, any).map(drop)
        }
    }
}

/// Begins the transactions of an action. An action that takes away access waits even if it matches no account: another
/// request may have changed them a moment ago.
pub fn begin<'d>(db: &'d Db, action: &BulkAction, dry_run: bool) -> WriteBatch<'d> {
    let mut batch = db.batch();
    if action.revokes() && !dry_run {
        batch.wait_for_leases();
    }
    batch
}

/// The result of one account's transaction as an item of the response.
///
/// # Errors
/// Errors that are not about this account: database errors, and an invalid token of the caller.
pub fn to_item(target: BulkTarget, result: Result<(), AppError>) -> Result<BulkItem, AppError> {
    let mut item = BulkItem {
        id: target.id,
        username: target.username,
        outcome: BulkOutcome::Done,
        code: None,
        detail: None,
    };
    if let Err(error) = result {
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
        ([first, ..], _) => first.detail.to_string(),
        ([], Some(detail)) => detail.to_owned(),
        ([], None) if error.code() == Code::NotFound => "There is no such account".to_owned(),
        ([], None) => error.code().title().to_owned(),
    }
}

fn set_tags(
    tx: &mut Tx<'_>,
    caller: &Can<needs::UpdateUsers>,
    id: UserId,
    tags: &[String],
    present: bool,
) -> TxResult<()> {
    let if_match = &IfMatch::Absent;
    tags.iter()
        .try_for_each(|tag| service::set_tag(tx, caller, id, tag, present, if_match).map(drop))
}
