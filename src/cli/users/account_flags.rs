//! The flags that `users add` and `users mod` share.

use clap::Args;
use serde_json::{Map, Value};

use super::report::switch_value;
use crate::access::actor::{ADMIN, SUPER_ADMIN, USER};
use crate::accounts::roles;
use crate::cli::context::CliContext;
use crate::cli::{CliError, time_argument};
use crate::platform::timestamp::Timestamp;

/// The role of `--moderator`. It is not built in; the flag fails while the role does not exist.
const MODERATOR: &str = "Moderator";

/// The properties of a user.
#[derive(Args)]
pub struct AccountFlags {
    /// The display name.
    #[arg(long, short = 'n', value_name = "NAME")]
    pub name: Option<String>,
    /// The email address.
    #[arg(long, short = 'm', value_name = "ADDRESS")]
    pub email: Option<String>,
    #[command(flatten)]
    pub role: RoleFlags,
    /// Grant this permission; can be repeated.
    #[arg(long, value_name = "PERMISSION")]
    pub permission: Vec<String>,
    /// The authentication provider: local, or the name of an external provider.
    #[arg(long, short = 'A', value_name = "PROVIDER")]
    pub auth: Option<String>,
    /// The id of the user at that provider.
    #[arg(long, value_name = "ID")]
    pub auth_id: Option<String>,
    #[command(flatten)]
    login: LoginFlags,
    /// Add this tag; can be repeated.
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Set this attribute: key=text, or key:=json such as level:=3; can be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_attribute)]
    pub attr: Vec<(String, Value)>,
    #[command(flatten)]
    app: AppAttributeFlags,
    #[command(flatten)]
    password_change: PasswordChangeFlags,
    /// When the account expires: the last day, a time, or a duration such as 30d.
    #[arg(long, value_name = "TIME", value_parser = time_argument::parse_expiry)]
    pub expires_at: Option<Timestamp>,
}

/// Attributes that other programs have flags for. rosterd stores them for the application.
#[derive(Args)]
struct AppAttributeFlags {
    /// Set the attribute bio.
    #[arg(long, value_name = "TEXT")]
    bio: Option<String>,
    /// Set the attribute webdav to true.
    #[arg(long, short = 'w', overrides_with = "no_webdav")]
    webdav: bool,
    /// Set the attribute webdav to false.
    #[arg(long, overrides_with = "webdav")]
    no_webdav: bool,
    /// Set the attribute uploadPath.
    #[arg(long, short = 'u', value_name = "PATH")]
    upload_path: Option<String>,
}

#[derive(Args)]
struct LoginFlags {
    /// Enable the user.
    #[arg(long, overrides_with = "no_login")]
    login: bool,
    /// Disable the user: sign-in is refused.
    #[arg(long, short = 'l', overrides_with = "login")]
    no_login: bool,
}

#[derive(Args)]
struct PasswordChangeFlags {
    /// Require a password change at the next sign-in.
    #[arg(long, overrides_with = "no_must_change_password")]
    must_change_password: bool,
    /// Do not require a password change.
    #[arg(long, overrides_with = "must_change_password")]
    no_must_change_password: bool,
}

/// The role, by name or by a switch for the common roles.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field per command-line flag"
)]
pub struct RoleFlags {
    /// Assign this role, in upper or lower case.
    #[arg(long, short = 'r', group = "role-given", value_name = "ROLE")]
    role: Option<String>,
    /// Assign the role SuperAdmin.
    #[arg(long, short = 's', group = "role-given")]
    superadmin: bool,
    /// Assign the role Admin.
    #[arg(long, group = "role-given")]
    admin: bool,
    /// Assign the role Moderator, which must exist.
    #[arg(long, group = "role-given")]
    moderator: bool,
    /// If the role is SuperAdmin, replace it with User.
    #[arg(long, conflicts_with = "superadmin")]
    no_superadmin: bool,
    /// If the role is Admin, replace it with User.
    #[arg(long, conflicts_with = "admin")]
    no_admin: bool,
    /// If the role is Moderator, replace it with User.
    #[arg(long, conflicts_with = "moderator")]
    no_moderator: bool,
}

impl RoleFlags {
    /// Whether a role was given.
    pub fn is_given(&self) -> bool {
        self.assigned().is_some()
    }

    /// Assigns the role Admin.
    pub fn set_admin(&mut self) {
        self.admin = true;
    }

    /// Replaces the role by its name as it is stored, ignoring case. An unknown role stays, and is refused later.
    pub fn find_stored_name(&mut self, context: &CliContext<'_>) -> Result<(), CliError> {
        if let Some(given) = &mut self.role {
            let roles = context.db.read_now(roles::service::list)?;
            let stored = roles.into_iter().map(|role| role.name);
            if let Some(name) = stored
                .into_iter()
                .find(|name| name.eq_ignore_ascii_case(given))
            {
                *given = name;
            }
        }
        Ok(())
    }

    /// The role to assign, if any.
    pub fn assigned(&self) -> Option<&str> {
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

    /// The new role of a user with the role `current`; `None` to keep it. A `--no-` switch only applies to its own role.
    pub fn replacement_for(&self, current: &str) -> Option<&str> {
        let removed = [
            (self.no_superadmin, SUPER_ADMIN),
            (self.no_admin, ADMIN),
            (self.no_moderator, MODERATOR),
        ];
        let removes_current = |(is_set, role): &(bool, &str)| *is_set && *role == current;
        self.assigned()
            .or_else(|| removed.iter().any(removes_current).then_some(USER))
    }
}

impl AccountFlags {
    /// The value of `--login` and `--no-login`.
    pub const fn is_active(&self) -> Option<bool> {
        switch_value(self.login.login, self.login.no_login)
    }

    /// The value of `--must-change-password` and its `--no-` form.
    pub const fn must_change_password(&self) -> Option<bool> {
        let flags = &self.password_change;
        switch_value(flags.must_change_password, flags.no_must_change_password)
    }

    /// The attributes as a JSON object.
    pub fn attributes(&self) -> Map<String, Value> {
        let app = &self.app;
        let webdav = switch_value(app.webdav, app.no_webdav).map(Value::Bool);
        let named = [
            ("bio", app.bio.clone().map(Value::String)),
            ("webdav", webdav),
            ("uploadPath", app.upload_path.clone().map(Value::String)),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        named.chain(self.attr.iter().cloned()).collect()
    }
}

/// Parses `key=value` or `key:=json`.
fn parse_attribute(text: &str) -> Result<(String, Value), String> {
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
    fn attribute_is_text_or_json() {
        let parse = |text| parse_attribute(text).ok();
        assert_eq!(parse("a=1"), Some(("a".to_owned(), json!("1"))));
        assert_eq!(parse("a:=1"), Some(("a".to_owned(), json!(1))));
        assert_eq!(parse("a=b=c"), Some(("a".to_owned(), json!("b=c"))));
        assert_eq!(parse("a="), Some(("a".to_owned(), json!(""))));
        assert_eq!(parse("a:=nope"), None);
        assert_eq!(parse("=1"), None);
        assert_eq!(parse(":=1"), None);
        assert_eq!(parse("a"), None);
    }
}
