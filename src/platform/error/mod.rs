//! Every way in which a use case can fail, without a word of HTTP. `http::problem` gives each its status.
//! An internal cause goes to the log only; what a caller may read is the code, the detail and the faults.

mod transaction;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

pub use transaction::{TxAbort, TxResult};

/// What sort of failure a [`Code`] is; a transport decides from it how to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input is wrong in itself.
    Invalid,
    /// Who is calling is not known, or what proved it is no longer good.
    Unauthenticated,
    /// The caller is known and may not.
    Forbidden,
    /// There is no such thing.
    Missing,
    /// The thing exists and is not called this way.
    WrongMethod,
    /// The body did not arrive in time.
    TooSlow,
    /// What the caller wants collides with the state of things.
    Conflict,
    /// The caller's copy is out of date.
    Stale,
    /// The input is larger than is accepted.
    TooLarge,
    /// The address is longer than is accepted.
    AddressTooLong,
    /// The headers are larger than is accepted.
    HeadersTooLarge,
    /// The input is not in a format that is understood.
    WrongFormat,
    /// The input is well formed and contradicts an earlier one.
    Contradicts,
    /// The caller must slow down.
    Throttled,
    /// The service can't answer now and may soon.
    Unavailable,
    /// A defect of the service.
    Internal,
}

impl Kind {
    /// Whether it is no use to go on with the next of many things: what failed is not about this one.
    #[must_use]
    pub const fn is_about_more_than_one(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Internal | Self::Unauthenticated
        )
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $kind:ident, $title:literal;)*) => {
        /// The stable name of each failure. They are API: none is ever renamed or removed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code, in the order of this table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as callers see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// What sort of failure it is.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Code::$name => Kind::$kind,)* }
            }

            /// One short sentence, the same at each occurrence (RFC 9457, section 3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }
        }
    };
}

codes! {
    RequestInvalid = "request_invalid", Invalid, "The request is not valid";
    PermissionUnknown = "permission_unknown", Invalid, "A permission is not in the catalogue";
    ResetTokenInvalid = "reset_token_invalid", Invalid, "The reset link is not good, or no longer";
    ConfirmationTokenInvalid = "confirmation_token_invalid", Invalid, "The confirmation link is not good, or no longer";
    AuthRequired = "auth_required", Unauthenticated, "Sign in to do this";
    AuthTokenInvalid = "auth_token_invalid", Unauthenticated, "The access token is not good, or no longer";
    AuthInvalidCredentials = "auth_invalid_credentials", Unauthenticated, "The name or the password is wrong";
    AuthRefreshTokenInvalid = "auth_refresh_token_invalid", Unauthenticated, "The refresh token is not good";
    AuthRefreshTokenExpired = "auth_refresh_token_expired", Unauthenticated, "The refresh token has expired";
    AuthRefreshTokenReused = "auth_refresh_token_reused", Unauthenticated, "The refresh token was used before; its session has been ended";
    AuthUserInactive = "auth_user_inactive", Forbidden, "The account is not active";
    AuthPasswordChangeRequired = "auth_password_change_required", Forbidden, "The password must be changed first";
    AuthMfaRequired = "auth_mfa_required", Forbidden, "A second factor is needed";
    AuthSessionRequired = "auth_session_required", Forbidden, "Only a person who has signed in may do this";
    CrossSiteForbidden = "cross_site_forbidden", Forbidden, "The refresh cookie is only for pages of listed origins";
    PermissionRequired = "permission_required", Forbidden, "The caller lacks the permission for this";
    PermissionNotHeld = "permission_not_held", Forbidden, "Nobody gives what they do not hold";
    UserManageForbidden = "user_manage_forbidden", Forbidden, "The caller may not manage this account";
    UserSelfRoleChangeForbidden = "user_self_role_change_forbidden", Forbidden, "Nobody changes their own role";
    UserSelfPermissionsForbidden = "user_self_permissions_forbidden", Forbidden, "Nobody changes their own permissions";
    UserSelfDisableForbidden = "user_self_disable_forbidden", Forbidden, "Nobody changes their own active state";
    UserSelfDeleteForbidden = "user_self_delete_forbidden", Forbidden, "Nobody deletes their own account this way";
    UserSuperAdminForbidden = "user_super_admin_forbidden", Forbidden, "Only a SuperAdmin makes, unmakes or manages one";
    RegistrationClosed = "registration_closed", Forbidden, "Nobody registers here";
    InviteInvalid = "invite_invalid", Forbidden, "The invite is not good";
    InviteExpired = "invite_expired", Forbidden, "The invite has expired";
    InviteExhausted = "invite_exhausted", Forbidden, "The invite has been used up";
    RoleManageForbidden = "role_manage_forbidden", Forbidden, "The caller may not manage this role";
    ClientManageForbidden = "client_manage_forbidden", Forbidden, "The caller may not manage this service client";
    RoleBuiltIn = "role_built_in", Forbidden, "A built-in role can't be changed this way";
    PermissionBuiltIn = "permission_built_in", Forbidden, "The service's own permissions can't be removed";
    NotFound = "not_found", Missing, "There is nothing at this address";
    MethodNotAllowed = "method_not_allowed", WrongMethod, "This address does not answer to that method";
    RequestTimeout = "request_timeout", TooSlow, "The request took too long to arrive";
    UserUsernameConflict = "user_username_conflict", Conflict, "The username is taken";
    UserEmailConflict = "user_email_conflict", Conflict, "The email address is taken";
    RoleNameConflict = "role_name_conflict", Conflict, "There is a role of this name";
    ClientNameConflict = "client_name_conflict", Conflict, "There is a service client of this name";
    RoleInUse = "role_in_use", Conflict, "Accounts have this role";
    PermissionNameConflict = "permission_name_conflict", Conflict, "The catalogue has a permission of this name";
    PermissionInUse = "permission_in_use", Conflict, "Accounts, roles or service clients have this permission";
    LastSuperAdmin = "last_super_admin", Conflict, "The last active SuperAdmin has to stay one";
    TokenLimitReached = "token_limit_reached", Conflict, "The account has as many tokens as it may have";
    UserDeleted = "user_deleted", Conflict, "The account is deleted; restore it first";
    PreconditionFailed = "precondition_failed", Stale, "The resource has changed since it was read";
    PayloadTooLarge = "payload_too_large", TooLarge, "The body is too large";
    UriTooLong = "uri_too_long", AddressTooLong, "The address is too long";
    HeadersTooLarge = "headers_too_large", HeadersTooLarge, "The headers are too large";
    UnsupportedMediaType = "unsupported_media_type", WrongFormat, "The body is not in a supported format";
    IdempotencyKeyReused = "idempotency_key_reused", Contradicts, "The idempotency key was used with another request";
    RateLimited = "rate_limited", Throttled, "Too many attempts; slow down";
    Overloaded = "overloaded", Unavailable, "The service is at its limit; try again soon";
    DatabaseUnavailable = "database_unavailable", Unavailable, "The database can't be reached; try again soon";
    Internal = "internal_error", Internal, "Something went wrong in the service";
}

/// One thing that is wrong with the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the member, `""` for the whole body; a query parameter is `?name`.
    pub pointer: Cow<'static, str>,
    /// Stable `snake_case`, such as `too_short`.
    pub code: &'static str,
    /// One sentence for a person.
    pub detail: Cow<'static, str>,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(
        pointer: impl Into<Cow<'static, str>>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
        }
    }
}

/// Collects what is wrong with an input, so that one answer tells all of it.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes one.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The value, or a note of what is wrong with it at `pointer`.
    pub fn take<T>(
        &mut self,
        pointer: impl Into<Cow<'static, str>>,
        value: Result<T, impl Into<(&'static str, Cow<'static, str>)>>,
    ) -> Option<T> {
        value
            .map_err(|wrong| {
                let (code, detail) = wrong.into();
                self.add(Fault::new(pointer, code, detail));
            })
            .ok()
    }

    /// The input, when nothing was wrong with it.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] with everything noted.
    pub fn finish<T>(self, input: Option<T>) -> Result<T, AppError> {
        match input {
            Some(input) if self.0.is_empty() => Ok(input),
            _ => Err(AppError::invalid(self.0)),
        }
    }
}

/// A budget of attempts that is used up, as the caller may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceededLimit {
    /// Which budget; stable.
    pub policy: &'static str,
    /// How many attempts it allows in `window`.
    pub quota: u32,
    /// Not zero.
    pub window: Duration,
}

/// Why a use case did not do what was asked.
pub struct AppError(Box<Inner>);

struct Inner {
    code: Code,
    detail: Option<Cow<'static, str>>,
    faults: Vec<Fault>,
    extension: Option<(&'static str, serde_json::Value)>,
    retry_after: Option<Duration>,
    spent: Option<ExceededLimit>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl AppError {
    /// A failure of this code, with nothing more to say.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            detail: None,
            faults: Vec::new(),
            extension: None,
            retry_after: None,
            spent: None,
            cause: None,
        }))
    }

    /// [`Code::RequestInvalid`] with what is wrong.
    #[must_use]
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let mut error = Self::new(Code::RequestInvalid);
        error.0.faults = faults;
        error
    }

    /// [`Code::RequestInvalid`] for one member.
    pub fn fault(
        pointer: impl Into<Cow<'static, str>>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::invalid(vec![Fault::new(pointer, code, detail)])
    }

    /// [`Code::Internal`]; the cause is for the log.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal).caused_by(cause)
    }

    /// [`Code::RateLimited`]: this budget is used up, and has something again after `wait`.
    #[must_use]
    pub fn rate_limited(spent: ExceededLimit, wait: Duration) -> Self {
        let mut error = Self::new(Code::RateLimited).retry_after(wait);
        error.0.spent = Some(spent);
        error.extend("violated-policies", vec![spent.policy])
    }

    /// Says more, for a person, about this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Points at the members that led here.
    #[must_use]
    pub fn at(mut self, fault: Fault) -> Self {
        self.0.faults.push(fault);
        self
    }

    /// Adds one extension member to the problem (RFC 9457, section 3.2).
    #[must_use]
    pub fn extend(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.0.extension = Some((name, value.into()));
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What to tell a person about this occurrence, if there is more than the title.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What is wrong with the input, member by member.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// The extension member, if there is one.
    #[must_use]
    pub fn extension(&self) -> Option<&(&'static str, serde_json::Value)> {
        self.0.extension.as_ref()
    }

    /// How long to wait before trying again.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The budget that is used up, if that is why.
    #[must_use]
    pub fn spent(&self) -> Option<ExceededLimit> {
        self.0.spent
    }
}

impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for fault in &self.0.faults {
            write!(f, "; {}: {}", fault.pointer, fault.code)?;
        }
        match &self.0.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.code.title())?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl StdError for AppError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .cause
            .as_deref()
            .map(|cause| -> &(dyn StdError + 'static) { cause })
    }
}

impl From<Code> for AppError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}
