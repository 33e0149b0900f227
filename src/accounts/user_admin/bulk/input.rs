//! The request body of a bulk operation, and its validation.

use std::collections::HashSet;

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::action::BulkAction;
use super::service::BulkTarget;
use crate::access::tokens::PersonalTokens;
use crate::accounts::users::{UserFilter, parse_tag};
use crate::platform::error::{AppError, FieldError, FieldErrors};
use crate::platform::ids::UserId;

/// The maximum number of accounts of one request.
pub const MAX_BULK_USERS: usize = 1000;

/// An action, and the accounts to perform it on: `ids`, or those that match `filter`; at most 1000.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"action": "disable", "filter": {"emailDomain": "example.org", "isActive": true}, "dryRun": true}))]
pub struct BulkRequest {
    /// The action.
    action: BulkActionName,
    /// The conditions that an account must meet; at least one. Not together with `ids`.
    #[serde(default)]
    filter: UserFilter,
    /// The ids of the accounts. Not together with `filter`.
    #[serde(default)]
    #[schema(max_items = 1000)]
    ids: Vec<UserId>,
    /// Whether to only report the result for each account, without a change.
    #[serde(default)]
    dry_run: bool,
    /// The tag, for `tag` and `untag`.
    #[schema(example = "staff", min_length = 1, max_length = 64)]
    tag: Option<String>,
    /// Whether personal access tokens end too, for `signOut`.
    #[serde(default)]
    tokens: bool,
    /// The role, for `setRole`.
    #[schema(example = "User", min_length = 2, max_length = 50)]
    role: Option<String>,
}

/// An action on many accounts.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkAction)]
enum BulkActionName {
    /// Disable the account. Needs `users.disable`.
    Disable,
    /// Enable it. Needs `users.disable`.
    Enable,
    /// Delete it. It can be restored. Needs `users.delete`.
    Delete,
    /// Add a tag. Needs `users.update`.
    Tag,
    /// Remove a tag. Needs `users.update`.
    Untag,
    /// End its sessions. Needs `sessions.revoke`.
    SignOut,
    /// Assign a role. Needs `users.update`.
    SetRole,
}

/// A validated bulk request.
pub struct BulkOperation {
    pub action: BulkAction,
    pub selection: BulkSelection,
    pub dry_run: bool,
}

/// How the accounts of a bulk operation are selected.
pub enum BulkSelection {
    Targets(Vec<BulkTarget>),
    Filter(UserFilter),
}

impl BulkRequest {
    /// Validates everything that does not need the database.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with all field errors.
    pub fn check(self) -> Result<BulkOperation, AppError> {
        let mut errors = FieldErrors::default();
        let action = self.action(&mut errors);
        let dry_run = self.dry_run;
        let selection = self.selection(&mut errors);
        let operation = action
            .zip(selection)
            .map(|(action, selection)| BulkOperation {
                action,
                selection,
                dry_run,
            });
        errors.into_result(operation)
    }

    fn action(&self, errors: &mut FieldErrors) -> Option<BulkAction> {
        let takes_tag = matches!(self.action, BulkActionName::Tag | BulkActionName::Untag);
        let tag = action_argument(errors, "/tag", self.tag.as_deref(), takes_tag)
            .and_then(|tag| errors.check("/tag", parse_tag(tag)));
        if self.tokens && self.action != BulkActionName::SignOut {
            let detail = "is not allowed for this action";
            errors.push(FieldError::new("/tokens", "invalid_value", detail));
        }
        let takes_role = self.action == BulkActionName::SetRole;
        let role = action_argument(errors, "/role", self.role.as_deref(), takes_role);
        Some(match self.action {
            BulkActionName::Disable => BulkAction::Disable,
            BulkActionName::Enable => BulkAction::Enable,
            BulkActionName::Delete => BulkAction::Delete,
            BulkActionName::SignOut => BulkAction::SignOut(PersonalTokens::end_if(self.tokens)),
            BulkActionName::Tag => BulkAction::Tag(vec![tag?]),
            BulkActionName::Untag => BulkAction::Untag(vec![tag?]),
            BulkActionName::SetRole => BulkAction::SetRole(role?.to_owned()),
        })
    }

    fn selection(self, errors: &mut FieldErrors) -> Option<BulkSelection> {
        let has_filter = self.filter != UserFilter::default();
        let error = match (has_filter, self.ids.len()) {
            (false, 0) => FieldError::new(
                "",
                "required",
                "must contain ids or a filter with at least one condition",
            ),
            (true, 1..) => FieldError::new(
                "/ids",
                "invalid_value",
                "must not be used together with filter",
            ),
            (_, count) if count > MAX_BULK_USERS => {
                FieldError::new("/ids", "too_many", "must be at most 1000 accounts")
            }
            (true, _) => return Some(BulkSelection::Filter(self.filter)),
            (false, _) => return Some(BulkSelection::Targets(unique_targets(self.ids))),
        };
        errors.push(error);
        None
    }
}

/// The value of a member that some actions require and the others do not accept.
fn action_argument<'a>(
    errors: &mut FieldErrors,
    pointer: &'static str,
    value: Option<&'a str>,
    is_required: bool,
) -> Option<&'a str> {
    let error = match (value, is_required) {
        (None, true) => FieldError::new(pointer, "required", "is required for this action"),
        (Some(_), false) => {
            FieldError::new(pointer, "invalid_value", "is not allowed for this action")
        }
        _ => return value,
    };
    errors.push(error);
    None
}

fn unique_targets(ids: Vec<UserId>) -> Vec<BulkTarget> {
    let mut seen = HashSet::new();
    ids.into_iter()
        .filter(|id| seen.insert(*id))
        .map(|id| BulkTarget { id, username: None })
        .collect()
}
