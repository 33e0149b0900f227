//! Names of permissions and roles, and the built-in roles.

/// The role that holds every permission.
pub const SUPER_ADMIN: &str = "SuperAdmin";
/// The role that manages accounts.
pub const ADMIN: &str = "Admin";
/// The default role.
pub const USER: &str = "User";
/// The rank of `SuperAdmin`. Every other role ranks below it.
pub const SUPER_ADMIN_RANK: i32 = 1000;

/// A permission or role name has an invalid format. The text says what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// A permission name.
    #[error("must have the form resource.action, like users.read, with at most 100 characters")]
    Permission,
    /// A role name.
    #[error("must be 2 to 50 letters, digits, '-' or '_', and begin with a letter")]
    Role,
}

/// The name of a permission: `resource.action`, such as `users.read`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionName(String);

impl PermissionName {
    /// Parses `[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+`, at most 100 characters, after trimming.
    ///
    /// # Errors
    /// [`InvalidName::Permission`].
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let text = text.trim();
        let is_segment = |segment: &str| {
            segment.starts_with(|c: char| c.is_ascii_lowercase())
                && segment.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let is_valid = text.len() <= 100 && text.contains('.') && text.split('.').all(is_segment);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Permission)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
    /// Parses `[A-Za-z][A-Za-z0-9_-]{1,49}`.
    ///
    /// # Errors
    /// [`InvalidName::Role`].
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let is_valid = (2..=50).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Role)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_permission_name_needs_a_resource_and_an_action() {
        for valid in ["users.read", "a.b", "assets.readAll2", "a.b.c"] {
            assert!(PermissionName::parse(valid).is_ok(), "{valid}");
        }
        let trimmed = PermissionName::parse(" users.read\n").unwrap();
        assert_eq!(trimmed.as_str(), "users.read");
        for invalid in [
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
            assert!(PermissionName::parse(invalid).is_err(), "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn parsing_a_name_never_panics(text in "\\PC*") {
            let _ = PermissionName::parse(&text);
            let _ = RoleName::parse(&text);
        }
    }
}
