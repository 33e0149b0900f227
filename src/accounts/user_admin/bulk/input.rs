//! What callers send to act on many accounts, and how it is checked before anything is done.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::BulkAction;
use super::service::BulkTarget;
use crate::accounts::users::{UserFilter, parse_tag};
use crate::platform::error::{AppError, FieldError, FieldErrors};
use crate::platform::ids::UserId;

/// How many accounts one request acts on at most.
pub const MAX_BULK_USERS: usize = 1000;

/// One act, and the accounts to do it to: `ids`, or those that `filter` lets through; at most 1000.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"action": "disable", "filter": {"emailDomain": "example.org", "isActive": true}, "dryRun": true}))]
pub struct BulkRequest {
    /// What to do to each.
    action: BulkActionName,
    /// Those that all of this is true of; at least one condition.
    #[serde(default)]
    filter: UserFilter,
    /// These.
    #[serde(default)]
    ids: Vec<UserId>,
    /// Only say what would come of it, each account judged as things are now.
    #[serde(default)]
    dry_run: bool,
    /// The tag, for `tag` and `untag`.
    #[schema(example = "staff")]
    tag: Option<String>,
    /// The role, for `setRole`.
    #[schema(example = "User")]
    role: Option<String>,
}

/// What can be done to many accounts at once.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ActionName)]
enum BulkActionName {
    /// Switch it off; needs `users.disable`.
    Disable,
    /// Switch it on; needs `users.disable`.
    Enable,
    /// Delete it, restorably; needs `users.delete`.
    Delete,
    /// Add a tag; needs `users.update`.
    Tag,
    /// Take a tag away; needs `users.update`.
    Untag,
    /// End its sessions; needs `sessions.revoke`.
    SignOut,
    /// Give it a role; needs `users.update`.
    SetRole,
}

/// What was asked for, checked.
pub struct BulkOrder {
    pub action: BulkAction,
    pub whom: BulkTargets,
    pub dry_run: bool,
}

/// To whom.
pub enum BulkTargets {
    Only(Vec<BulkTarget>),
    Matching(UserFilter),
}

impl BulkRequest {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<BulkOrder, AppError> {
        let mut faults = FieldErrors::default();
        let action = self.action(&mut faults);
        let dry_run = self.dry_run;
        let whom = self.whom(&mut faults);
        faults.into_result(action.zip(whom).map(|(action, whom)| BulkOrder {
            action,
            whom,
            dry_run,
        }))
    }

    fn action(&self, faults: &mut FieldErrors) -> Option<BulkAction> {
        let takes_tag = matches!(self.action, BulkActionName::Tag | BulkActionName::Untag);
        let tag = operand(faults, "/tag", self.tag.as_deref(), takes_tag)
            .and_then(|tag| faults.check("/tag", parse_tag(tag)));
        let takes_role = self.action == BulkActionName::SetRole;
        let role = operand(faults, "/role", self.role.as_deref(), takes_role);
        Some(match self.action {
            BulkActionName::Disable => BulkAction::Disable,
            BulkActionName::Enable => BulkAction::Enable,
            BulkActionName::Delete => BulkAction::Delete,
            BulkActionName::SignOut => BulkAction::SignOut,
            BulkActionName::Tag => BulkAction::Tag(vec![tag?]),
            BulkActionName::Untag => BulkAction::Untag(vec![tag?]),
            BulkActionName::SetRole => BulkAction::SetRole(role?.to_owned()),
        })
    }

    fn whom(self, faults: &mut FieldErrors) -> Option<BulkTargets> {
        let is_filtered = self.filter != UserFilter::default();
        let wrong = match (is_filtered, self.ids.len()) {
            (false, 0) => FieldError::new(
                "",
                "required",
                "say which accounts: by ids, or by a filter with a condition",
            ),
            (true, 1..) => FieldError::new("/ids", "invalid_value", "give ids or a filter, not both"),
            (_, count) if count > MAX_BULK_USERS => {
                FieldError::new("/ids", "too_many", "at most 1000 accounts at once")
            }
            (true, _) => return Some(BulkTargets::Matching(self.filter)),
            (false, _) => return Some(BulkTargets::Only(once_each(self.ids))),
        };
        faults.push(wrong);
        None
    }
}

/// A member that some actions need and the others do not take.
fn operand<'a>(
    faults: &mut FieldErrors,
    pointer: &'static str,
    value: Option<&'a str>,
    is_needed: bool,
) -> Option<&'a str> {
    match (value, is_needed) {
        (None, true) => faults.push(FieldError::new(pointer, "required", "this action needs it")),
        (Some(_), false) => faults.push(FieldError::new(
            pointer,
            "invalid_value",
            "this action does not take it",
        )),
        _ => return value,
    }
    None
}

fn once_each(ids: Vec<UserId>) -> Vec<BulkTarget> {
    let mut seen = std::collections::HashSet::new();
    ids.into_iter()
        .filter(|id| seen.insert(*id))
        .map(|id| BulkTarget { id, username: None })
        .collect()
}
