//! What `users add` and `users mod` have in common: what can be said of an account.

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Map, Value};

use super::switch;
use crate::accounts::roles::{ADMIN, SUPER_ADMIN, USER};
use crate::cli::when;

/// The role that `--moderator` stands for: there is none unless somebody makes it.
const MODERATOR: &str = "Moderator";

/// What can be said of an account.
#[derive(Args)]
pub struct AccountFlags {
    /// What people call this person.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// An address of the form name@example.org.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    #[command(flatten)]
    pub role: RoleFlags,
    /// Grant this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    pub permission: Vec<String>,
    /// Who vouches for this person: local, or the name of an outside provider.
    #[arg(long, value_name = "PROVIDER")]
    pub auth: Option<String>,
    /// The id of this person at that provider.
    #[arg(long, value_name = "ID")]
    pub auth_id: Option<String>,
    #[command(flatten)]
    login: LoginFlags,
    /// Add this tag; can be repeated.
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Note this about the account, as text, or with := as JSON (level:=3); can be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    pub attr: Vec<(String, Value)>,
    #[command(flatten)]
    password_change: PasswordChangeFlags,
    /// When it stops being good: 2027-01-31, 2027-01-31T12:00:00Z or 30d.
    #[arg(long, value_name = "TIME", value_parser = when::moment)]
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Args)]
struct LoginFlags {
    /// Let it sign in.
    #[arg(long, overrides_with = "no_login")]
    login: bool,
    /// Keep it from signing in.
    #[arg(long, overrides_with = "login")]
    no_login: bool,
}

#[derive(Args)]
struct PasswordChangeFlags {
    /// Make it change its password at the next sign-in.
    #[arg(long, overrides_with = "no_must_change_password")]
    must_change_password: bool,
    /// Let it keep its password.
    #[arg(long, overrides_with = "must_change_password")]
    no_must_change_password: bool,
}

/// The role by its name or, as elsewhere, by a switch of its own.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag each, as they are typed"
)]
pub struct RoleFlags {
    /// Give it this role.
    #[arg(long, group = "role-given", value_name = "ROLE")]
    role: Option<String>,
    /// Give it the role SuperAdmin.
    #[arg(long, group = "role-given")]
    superadmin: bool,
    /// Give it the role Admin.
    #[arg(long, group = "role-given")]
    admin: bool,
    /// Give it the role Moderator, if there is one.
    #[arg(long, group = "role-given")]
    moderator: bool,
    /// Make it a User again if it is a SuperAdmin.
    #[arg(long, conflicts_with = "superadmin")]
    no_superadmin: bool,
    /// Make it a User again if it is an Admin.
    #[arg(long, conflicts_with = "admin")]
    no_admin: bool,
    /// Make it a User again if it is a Moderator.
    #[arg(long, conflicts_with = "moderator")]
    no_moderator: bool,
}

impl RoleFlags {
    /// The role that they give.
    pub fn given(&self) -> Option<&str> {
        match self {
            Self {
                superadmin: true, ..
            } => Some(SUPER_ADMIN),
            Self { admin: true, .. } => Some(ADMIN),
            Self {
                moderator: true, ..
            } => Some(MODERATOR),
            Self { role, .. } => role.as_deref(),
        }
    }

    /// The role that an account of the role `current` is to have, if another is asked for. Whether it was taken from
    /// `current` is said too: then it holds only for as long as the account has that.
    pub fn instead_of(&self, current: &str) -> Option<&str> {
        let taken = [
            (self.no_superadmin, SUPER_ADMIN),
            (self.no_admin, ADMIN),
            (self.no_moderator, MODERATOR),
        ];
        let is_taken = |(taken, role): &(bool, &str)| *taken && *role == current;
        self.given()
            .or_else(|| taken.iter().any(is_taken).then_some(USER))
    }
}

impl AccountFlags {
    /// Whether it may sign in, if that was said.
    pub const fn is_active(&self) -> Option<bool> {
        switch(self.login.login, self.login.no_login)
    }

    /// Whether its password is to be changed, if that was said.
    pub const fn must_change_password(&self) -> Option<bool> {
        let flags = &self.password_change;
        switch(flags.must_change_password, flags.no_must_change_password)
    }

    /// What was noted.
    pub fn attributes(&self) -> Map<String, Value> {
        self.attr.iter().cloned().collect()
    }
}

/// Reads `key=value`, or `key:=json`.
fn attribute(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.trim_end_matches(':').is_empty())
        .ok_or("expected KEY=VALUE")?;
    match key.strip_suffix(':') {
        Some(key) => serde_json::from_str(value)
            .map(|value| (key.to_owned(), value))
            .map_err(|error| format!("expected JSON after := ({error})")),
        None => Ok((key.to_owned(), Value::String(value.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_attribute_is_text_unless_it_is_said_to_be_json() {
        let read = |text| attribute(text).ok();
        assert_eq!(read("a=1"), Some(("a".to_owned(), json!("1"))));
        assert_eq!(read("a:=1"), Some(("a".to_owned(), json!(1))));
        assert_eq!(read("a=b=c"), Some(("a".to_owned(), json!("b=c"))));
        assert_eq!(read("a="), Some(("a".to_owned(), json!(""))));
        assert_eq!(read("a:=nope"), None);
        assert_eq!(read("=1"), None);
        assert_eq!(read(":=1"), None);
        assert_eq!(read("a"), None);
    }
}
