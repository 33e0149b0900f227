//! What callers send to act on many accounts, and how it is checked before anything is done.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::policy::Action;
use super::service::Target;
use crate::accounts::users::policy::values;
use crate::accounts::users::service::Filter;
use crate::platform::error::{AppError, Fault, Faults};
use crate::platform::ids::UserId;

/// How many accounts one request acts on at most.
pub const MOST: usize = 1000;

/// One act, and the accounts to do it to: `ids`, or those that `filter` lets through; at most 1000.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"action": "disable", "filter": {"emailDomain": "example.org", "isActive": true}, "dryRun": true}))]
pub struct BulkRequest {
    /// What to do to each.
    action: ActionName,
    /// Those that all of this is true of; at least one condition.
    #[serde(default)]
    filter: BulkFilter,
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
enum ActionName {
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

/// Which accounts, as the parameters of `GET /api/v1/users` say it.
#[derive(Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct BulkFilter {
    /// Part of the username, display name or email address.
    query: Option<String>,
    /// This username.
    username: Option<String>,
    /// This email address, without regard to case.
    email: Option<String>,
    /// An email address in this domain, without regard to case.
    email_domain: Option<String>,
    /// This role.
    role: Option<String>,
    /// This active state.
    is_active: Option<bool>,
    /// This tag.
    tag: Option<String>,
    /// This permission, directly or through the role.
    permission: Option<String>,
    /// Only deleted accounts; without it only those that are not.
    deleted: Option<bool>,
    /// These attributes with these values.
    attr: BTreeMap<String, String>,
}

/// What was asked for, checked.
pub struct Order {
    pub action: Action,
    pub whom: Whom,
    pub dry_run: bool,
}

/// To whom.
pub enum Whom {
    Only(Vec<Target>),
    Matching(Filter),
}

impl BulkRequest {
    /// Checks everything but what only the database knows.
    ///
    /// # Errors
    /// [`crate::platform::error::Code::RequestInvalid`] with every fault.
    pub fn check(self) -> Result<Order, AppError> {
        let mut faults = Faults::default();
        let action = self.action(&mut faults);
        let dry_run = self.dry_run;
        let whom = self.whom(&mut faults);
        faults.finish(action.zip(whom).map(|(action, whom)| Order {
            action,
            whom,
            dry_run,
        }))
    }

    fn action(&self, faults: &mut Faults) -> Option<Action> {
        let takes_tag = matches!(self.action, ActionName::Tag | ActionName::Untag);
        let tag = operand(faults, "/tag", self.tag.as_deref(), takes_tag)
            .and_then(|tag| faults.take("/tag", values::tag(tag)));
        let takes_role = self.action == ActionName::SetRole;
        let role = operand(faults, "/role", self.role.as_deref(), takes_role);
        Some(match self.action {
            ActionName::Disable => Action::Disable,
            ActionName::Enable => Action::Enable,
            ActionName::Delete => Action::Delete,
            ActionName::SignOut => Action::SignOut,
            ActionName::Tag => Action::Tag(vec![tag?]),
            ActionName::Untag => Action::Untag(vec![tag?]),
            ActionName::SetRole => Action::SetRole(role?.to_owned()),
        })
    }

    fn whom(self, faults: &mut Faults) -> Option<Whom> {
        let is_filtered = self.filter != BulkFilter::default();
        let wrong = match (is_filtered, self.ids.len()) {
            (false, 0) => Fault::new(
                "",
                "required",
                "say which accounts: by ids, or by a filter with a condition",
            ),
            (true, 1..) => Fault::new("/ids", "invalid_value", "give ids or a filter, not both"),
            (_, count) if count > MOST => {
                Fault::new("/ids", "too_many", "at most 1000 accounts at once")
            }
            (true, _) => return Some(Whom::Matching(self.filter.into())),
            (false, _) => return Some(Whom::Only(once_each(self.ids))),
        };
        faults.add(wrong);
        None
    }
}

/// A member that some actions need and the others do not take.
fn operand<'a>(
    faults: &mut Faults,
    pointer: &'static str,
    value: Option<&'a str>,
    is_needed: bool,
) -> Option<&'a str> {
    match (value, is_needed) {
        (None, true) => faults.add(Fault::new(pointer, "required", "this action needs it")),
        (Some(_), false) => faults.add(Fault::new(
            pointer,
            "invalid_value",
            "this action does not take it",
        )),
        _ => return value,
    }
    None
}

fn once_each(ids: Vec<UserId>) -> Vec<Target> {
    let mut seen = std::collections::HashSet::new();
    ids.into_iter()
        .filter(|id| seen.insert(*id))
        .map(|id| Target { id, username: None })
        .collect()
}

impl From<BulkFilter> for Filter {
    fn from(asked: BulkFilter) -> Self {
        Self {
            query: asked.query.filter(|part| !part.is_empty()),
            username: asked.username,
            email: asked.email,
            email_domain: asked.email_domain,
            role: asked.role,
            is_active: asked.is_active,
            tag: asked.tag,
            permission: asked.permission,
            deleted: asked.deleted.unwrap_or_default(),
            attributes: asked.attr.into_iter().collect(),
            ..Self::default()
        }
    }
}
