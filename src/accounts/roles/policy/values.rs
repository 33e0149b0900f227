//! What a permission and a role may be called, and what it is to hold permissions.

use std::collections::BTreeSet;

use crate::platform::error::{AppError, Code};

/// The role that holds every permission.
pub const SUPER_ADMIN: &str = "SuperAdmin";
/// The role that manages accounts.
pub const ADMIN: &str = "Admin";
/// The role of everybody else.
pub const USER: &str = "User";
/// The rank of `SuperAdmin`; every other role stands below.
pub const SUPER_ADMIN_RANK: i32 = 1000;

/// Why a name is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// For permissions.
    #[error("a permission is called resource.action, like users.read, with at most 100 characters")]
    Permission,
    /// For roles.
    #[error("a role's name has 2 to 50 letters, digits, - or _ and begins with a letter")]
    Role,
}

/// The name of a permission: `resource.action`, such as `users.read`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionName(String);

impl PermissionName {
    /// Reads a name of the form `[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+`, at most 100 characters.
    ///
    /// # Errors
    /// [`BadName::Permission`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let is_part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let well_formed = text.len() <= 100 && text.contains('.') && text.split('.').all(is_part);
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName::Permission)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// Reads a name of the form `[A-Za-z][A-Za-z0-9_-]{1,49}`.
    ///
    /// # Errors
    /// [`BadName::Role`] for anything else.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let well_formed = (2..=50).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName::Role)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The permissions that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionSet {
    /// All there are and will be.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl PermissionSet {
    /// What an account holds through its role and its direct grants.
    #[must_use]
    pub fn of(role: &str, role_permissions: &[String], direct: &[String]) -> Self {
        if role == SUPER_ADMIN {
            Self::All
        } else {
            Self::Only(role_permissions.iter().chain(direct).cloned().collect())
        }
    }

    /// Whether the permission is among them.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(permission),
        }
    }

    /// Those of `wanted` that are not among them.
    #[must_use]
    pub fn missing<'a>(&self, wanted: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        wanted
            .into_iter()
            .filter(|name| !self.has(name))
            .cloned()
            .collect()
    }

    /// Whoever gives these has to hold them.
    ///
    /// # Errors
    /// [`NotHeld`], with those that are lacking.
    pub fn require<'a>(&self, wanted: impl IntoIterator<Item = &'a String>) -> Result<(), NotHeld> {
        let lacking = self.missing(wanted);
        if lacking.is_empty() {
            Ok(())
        } else {
            Err(NotHeld(lacking))
        }
    }

    /// Whoever gives all that is in `other` has to hold it.
    ///
    /// # Errors
    /// As [`PermissionSet::require`].
    pub fn require_all_of(&self, other: &Self) -> Result<(), NotHeld> {
        match other {
            Self::Only(names) => self.require(names),
            Self::All if self.covers(other) => Ok(()),
            Self::All => Err(NotHeld(vec![SUPER_ADMIN.to_owned()])),
        }
    }

    /// Whether everything in `other` is among them.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(mine), Self::Only(theirs)) => mine.is_superset(theirs),
        }
    }

    /// What is among both: a token's or client's own list never gives more than its owner holds.
    #[must_use]
    pub fn intersect(&self, names: &[String]) -> Self {
        Self::Only(
            names
                .iter()
                .filter(|name| self.has(name))
                .cloned()
                .collect(),
        )
    }
}

/// What somebody wants to give and does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHeld(pub Vec<String>);

impl From<NotHeld> for AppError {
    fn from(NotHeld(names): NotHeld) -> Self {
        Self::new(Code::PermissionNotHeld)
            .detail(format!("The caller does not hold {}.", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn permission_names_have_a_resource_and_an_action() {
        for good in ["users.read", "a.b", "assets.readAll2", "a.b.c"] {
            assert!(PermissionName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "users",
            "users.",
            ".read",
            "Users.read",
            "users.Read",
            "users..read",
            "users.re ad",
            "users.*",
            "ü.a",
            "a.b\0",
        ] {
            assert!(PermissionName::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whoever_narrows_never_gains(mine in prop::collection::btree_set("[a-c]\\.[a-c]", 0..5), wanted in prop::collection::vec("[a-c]\\.[a-c]", 0..5)) {
            let permissions = PermissionSet::Only(mine);
            let narrowed = permissions.intersect(&wanted);
            prop_assert!(permissions.covers(&narrowed));
            prop_assert_eq!(permissions.missing(&wanted).is_empty(), wanted.iter().all(|name| permissions.has(name)));
        }

        #[test]
        fn parsing_names_never_panics(text in "\\PC*") {
            let _ = PermissionName::parse(&text);
            let _ = RoleName::parse(&text);
        }
    }
}
