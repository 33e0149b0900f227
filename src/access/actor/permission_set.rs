//! The set of permissions that an account, a token or a client holds.

use std::collections::BTreeSet;

use super::names::SUPER_ADMIN;
use crate::platform::error::{AppError, Code};

/// A set of permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionSet {
    /// Every permission in the catalogue, now and later.
    All,
    /// These permissions.
    Only(BTreeSet<String>),
}

impl PermissionSet {
    /// The permissions of an account: those of its role and its direct grants. `SuperAdmin` holds all.
    #[must_use]
    pub fn of_role_and_grants(role: &str, role_permissions: &[String], direct: &[String]) -> Self {
        if role == SUPER_ADMIN {
            Self::All
        } else {
            Self::Only(role_permissions.iter().chain(direct).cloned().collect())
        }
    }

    /// Exactly these permissions.
    #[must_use]
    pub fn only(names: &[String]) -> Self {
        Self::Only(names.iter().cloned().collect())
    }

    /// Whether the set contains the permission.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(permission),
        }
    }

    /// The elements of `names` that the set does not contain.
    #[must_use]
    pub fn missing<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        names
            .into_iter()
            .filter(|name| !self.has(name))
            .cloned()
            .collect()
    }

    /// Checks that the set contains all of `names`. A caller can only grant permissions it holds.
    ///
    /// # Errors
    /// [`PermissionsNotHeld`] with the missing ones.
    pub fn require<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), PermissionsNotHeld> {
        let missing = self.missing(names);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(PermissionsNotHeld(missing))
        }
    }

    /// Checks that the set contains all of `other`.
    ///
    /// # Errors
    /// As [`PermissionSet::require`].
    pub fn require_all_of(&self, other: &Self) -> Result<(), PermissionsNotHeld> {
        match other {
            Self::Only(names) => self.require(names),
            Self::All if self.covers(other) => Ok(()),
            Self::All => Err(PermissionsNotHeld(vec![SUPER_ADMIN.to_owned()])),
        }
    }

    /// Whether the set is a superset of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(own), Self::Only(others)) => own.is_superset(others),
        }
    }

    /// The permissions of the set that `names` lists too. A token never has more permissions than its owner.
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

/// The permissions that a caller tried to grant and does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionsNotHeld(pub Vec<String>);

impl From<PermissionsNotHeld> for AppError {
    fn from(PermissionsNotHeld(names): PermissionsNotHeld) -> Self {
        Self::new(Code::PermissionNotHeld).with_detail(format!(
            "You can only grant permissions you hold. Missing: {}.",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_intersection_never_adds_permissions(own in prop::collection::btree_set("[a-c]\\.[a-c]", 0..5), names in prop::collection::vec("[a-c]\\.[a-c]", 0..5)) {
            let permissions = PermissionSet::Only(own);
            let narrowed = permissions.intersect(&names);
            prop_assert!(permissions.covers(&narrowed));
            prop_assert_eq!(permissions.missing(&names).is_empty(), names.iter().all(|name| permissions.has(name)));
        }
    }
}
