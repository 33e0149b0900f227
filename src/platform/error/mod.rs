//! The errors of use cases, independent of HTTP; `http::problem` maps them to a status.
//! Callers see the code, the detail and the field errors. The internal cause is only logged.

mod both;
mod field_error;
mod recorded;
mod tx_result;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

pub use field_error::{FieldError, FieldErrors};
pub use tx_result::{TxAbort, TxResult};

/// The category of a [`Code`]. The HTTP layer derives the status from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCategory {
    /// The input is invalid.
    Invalid,
    /// The caller is not authenticated, or the credential is no longer valid.
    Unauthenticated,
    /// The caller may not perform this operation.
    Forbidden,
    /// The resource does not exist.
    NotFound,
    /// The resource exists, but does not support the method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The request conflicts with the current state.
    Conflict,
    /// The resource was changed since the caller read it.
    PreconditionFailed,
    /// The body exceeds the size limit.
    PayloadTooLarge,
    /// The URI exceeds the size limit.
    UriTooLong,
    /// The headers exceed the size limit.
    HeadersTooLarge,
    /// The body has an unsupported media type or encoding.
    UnsupportedMediaType,
    /// The input is well-formed, but contradicts an earlier request.
    Unprocessable,
    /// The caller exceeded a rate limit.
    RateLimited,
    /// The service is temporarily unavailable.
    Unavailable,
    /// A defect of the service.
    Internal,
}

impl ErrorCategory {
    /// Whether a bulk operation must stop, because the error would also affect its remaining items.
    #[must_use]
    pub const fn aborts_batch(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Internal | Self::Unauthenticated
        )
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $category:ident, $title:literal;)*) => {
        /// The stable error codes. They are part of the API and are never renamed or removed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as in responses.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// The category of the code.
            #[must_use]
            pub const fn category(self) -> ErrorCategory {
                match self { $(Code::$name => ErrorCategory::$category,)* }
            }

            /// A short summary, the same for every occurrence (RFC 9457, section 3.1.3).
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
    ResetTokenInvalid = "reset_token_invalid", Invalid, "The reset link is invalid or has expired";
    ConfirmationTokenInvalid = "confirmation_token_invalid", Invalid, "The confirmation link is invalid or has expired";
    InvalidTarget = "invalid_target", Invalid, "No access token can be issued for this resource";
    AuthRequired = "auth_required", Unauthenticated, "Authentication is required";
    AuthTokenInvalid = "auth_token_invalid", Unauthenticated, "The access token is invalid or has expired";
    AuthInvalidCredentials = "auth_invalid_credentials", Unauthenticated, "The username or the password is wrong";
    AuthRefreshTokenInvalid = "auth_refresh_token_invalid", Unauthenticated, "The refresh token is invalid";
    AuthRefreshTokenExpired = "auth_refresh_token_expired", Unauthenticated, "The refresh token has expired";
    AuthRefreshTokenReused = "auth_refresh_token_reused", Unauthenticated, "The refresh token was already used; its session has been revoked";
    AuthUserInactive = "auth_user_inactive", Forbidden, "The account is not active";
    AuthPasswordChangeRequired = "auth_password_change_required", Forbidden, "The password must be changed first";
    AuthEmailNotConfirmed = "auth_email_not_confirmed", Forbidden, "The email address must be confirmed first";
    AuthCurrentPasswordWrong = "auth_current_password_wrong", Forbidden, "The current password is wrong";
    AuthMfaRequired = "auth_mfa_required", Forbidden, "A second factor is required";
    AuthReauthenticationRequired = "auth_reauthentication_required", Forbidden, "The sign-in is not recent enough";
    AuthSessionRequired = "auth_session_required", Forbidden, "This operation requires a signed-in session";
    CrossSiteForbidden = "cross_site_forbidden", Forbidden, "Cookies are set and accepted only for allowed origins";
    PermissionRequired = "permission_required", Forbidden, "The caller lacks the required permission";
    PermissionNotHeld = "permission_not_held", Forbidden, "The caller can't grant permissions that they do not hold";
    UserManageForbidden = "user_manage_forbidden", Forbidden, "The caller may not manage this account";
    UserSelfRoleChangeForbidden = "user_self_role_change_forbidden", Forbidden, "Users can't change their own role";
    UserSelfPermissionsForbidden = "user_self_permissions_forbidden", Forbidden, "Users can't change their own permissions";
    UserSelfDisableForbidden = "user_self_disable_forbidden", Forbidden, "Users can't activate or deactivate their own account";
    UserSelfDeleteForbidden = "user_self_delete_forbidden", Forbidden, "Users can't delete their own account with this operation";
    UserSelfCredentialsForbidden = "user_self_credentials_forbidden", Forbidden, "Users can't change their own credentials with this operation; use /auth/change-password or /auth/me";
    UserSuperAdminForbidden = "user_super_admin_forbidden", Forbidden, "Only a SuperAdmin may create, demote or manage a SuperAdmin";
    RegistrationClosed = "registration_closed", Forbidden, "Registration is closed";
    InviteInvalid = "invite_invalid", Forbidden, "The invite is invalid";
    InviteExpired = "invite_expired", Forbidden, "The invite has expired";
    InviteExhausted = "invite_exhausted", Forbidden, "The invite has no uses left";
    RoleManageForbidden = "role_manage_forbidden", Forbidden, "The caller may not manage this role";
    ClientManageForbidden = "client_manage_forbidden", Forbidden, "The caller may not manage this service client";
    RoleBuiltIn = "role_built_in", Forbidden, "Built-in roles can't be changed this way";
    PermissionBuiltIn = "permission_built_in", Forbidden, "Built-in permissions can't be removed";
    NotFound = "not_found", NotFound, "The resource does not exist";
    MethodNotAllowed = "method_not_allowed", MethodNotAllowed, "The resource does not support this method";
    RequestTimeout = "request_timeout", RequestTimeout, "The request took too long to arrive";
    UserUsernameConflict = "user_username_conflict", Conflict, "The username is taken";
    UserEmailConflict = "user_email_conflict", Conflict, "The email address is taken";
    RoleNameConflict = "role_name_conflict", Conflict, "A role with this name already exists";
    ClientNameConflict = "client_name_conflict", Conflict, "A service client with this name already exists";
    RoleInUse = "role_in_use", Conflict, "The role is assigned to accounts";
    PermissionNameConflict = "permission_name_conflict", Conflict, "A permission with this name already exists";
    PermissionInUse = "permission_in_use", Conflict, "The permission is assigned to accounts, roles or service clients";
    LastSuperAdmin = "last_super_admin", Conflict, "The last active SuperAdmin can't be removed, demoted or deactivated";
    PermissionLimitReached = "permission_limit_reached", Conflict, "The permission catalogue has reached its maximum size";
    ClientSecretKnown = "client_secret_known", Conflict, "The secret of the service client must be rotated first";
    ClientLimitReached = "client_limit_reached", Conflict, "The caller has created the maximum number of service clients";
    InviteLimitReached = "invite_limit_reached", Conflict, "The caller has created the maximum number of open invites";
    TokenLimitReached = "token_limit_reached", Conflict, "The account has reached the maximum number of tokens";
    UserDeleted = "user_deleted", Conflict, "The account is deleted; restore it first";
    PreconditionFailed = "precondition_failed", PreconditionFailed, "The resource was changed since it was read";
    PayloadTooLarge = "payload_too_large", PayloadTooLarge, "The body is too large";
    UriTooLong = "uri_too_long", UriTooLong, "The URI is too long";
    HeadersTooLarge = "headers_too_large", HeadersTooLarge, "The headers are too large";
    UnsupportedMediaType = "unsupported_media_type", UnsupportedMediaType, "The media type or encoding of the body is not supported";
    IdempotencyKeyReused = "idempotency_key_reused", Unprocessable, "The idempotency key was already used for a different request";
    RateLimited = "rate_limited", RateLimited, "Too many attempts; try again later";
    Overloaded = "overloaded", Unavailable, "The service is overloaded; try again later";
    DatabaseUnavailable = "database_unavailable", Unavailable, "The database is unavailable; try again later";
    StorageFull = "storage_full", Unavailable, "The database has no storage left; reading is still possible";
    Internal = "internal_error", Internal, "An internal error occurred";
}

impl FieldErrors {
    /// Returns the input if no error was recorded.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`] with the recorded errors.
    pub fn into_result<T>(self, input: Option<T>) -> Result<T, AppError> {
        match input {
            Some(input) if self.0.is_empty() => Ok(input),
            _ => Err(AppError::invalid_fields(self.0)),
        }
    }
}

/// A rate limit that the caller exceeded, as shown in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceededLimit {
    /// The stable name of the limit.
    pub policy: &'static str,
    /// The number of attempts allowed per `window`.
    pub quota: u32,
    /// The time window; not zero.
    pub window: Duration,
}

/// The error of a use case.
pub struct AppError(Box<Inner>);

struct Inner {
    code: Code,
    detail: Option<Cow<'static, str>>,
    field_errors: Vec<FieldError>,
    extension: Option<(&'static str, serde_json::Value)>,
    retry_after: Option<Duration>,
    exceeded_limit: Option<ExceededLimit>,
    is_recorded: bool,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl AppError {
    /// Creates an error with a code and no further information.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            detail: None,
            field_errors: Vec::new(),
            extension: None,
            retry_after: None,
            exceeded_limit: None,
            is_recorded: false,
            cause: None,
        }))
    }

    /// The maximum number of field errors of one response. A short input such as `["","",…]` can contain many more.
    pub const MAX_FIELD_ERRORS: usize = 32;

    /// [`Code::RequestInvalid`] with the first [`Self::MAX_FIELD_ERRORS`] of these field errors.
    #[must_use]
    pub fn invalid_fields(mut field_errors: Vec<FieldError>) -> Self {
        let mut error = Self::new(Code::RequestInvalid);
        if field_errors.len() > Self::MAX_FIELD_ERRORS {
            let detail = format!(
                "Only the first {} errors are listed.",
                Self::MAX_FIELD_ERRORS
            );
            field_errors.truncate(Self::MAX_FIELD_ERRORS);
            error = error.with_detail(detail);
        }
        error.0.field_errors = field_errors;
        error
    }

    /// [`Code::RequestInvalid`] with one field error.
    pub fn invalid_field(
        pointer: impl Into<Cow<'static, str>>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::invalid_fields(vec![FieldError::new(pointer, code, detail)])
    }

    /// [`Code::Internal`] with a cause for the log.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal).with_cause(cause)
    }

    /// [`Code::RateLimited`]: `limit` is exceeded and allows the next attempt after `delay`.
    #[must_use]
    pub fn rate_limited(limit: ExceededLimit, delay: Duration) -> Self {
        let mut error = Self::new(Code::RateLimited).with_retry_after(delay);
        error.0.exceeded_limit = Some(limit);
        error.with_extension("violated-policies", vec![limit.policy])
    }

    /// [`Code::AuthCurrentPasswordWrong`]. It is not 401: clients would refresh their token and send the password again.
    #[must_use]
    pub fn current_password_wrong() -> Self {
        let error = FieldError::new("/currentPassword", "wrong", "is not the current password");
        Self::new(Code::AuthCurrentPasswordWrong).with_field_error(error)
    }

    /// Sets the `detail` member: what went wrong in this request, as text for people.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a field error.
    #[must_use]
    pub fn with_field_error(mut self, error: FieldError) -> Self {
        self.0.field_errors.push(error);
        self
    }

    /// Sets the extension member of the problem (RFC 9457, section 3.2).
    #[must_use]
    pub fn with_extension(
        mut self,
        name: &'static str,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        self.0.extension = Some((name, value.into()));
        self
    }

    /// Sets the delay after which the caller may retry.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Sets the underlying error. It is logged and never sent to the caller.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The error code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The explanation of this occurrence, if there is one besides the title.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The invalid members of the input.
    #[must_use]
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.field_errors
    }

    /// The extension member, if there is one.
    #[must_use]
    pub fn extension(&self) -> Option<&(&'static str, serde_json::Value)> {
        self.0.extension.as_ref()
    }

    /// The delay after which the caller may retry.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The exceeded rate limit, for [`Code::RateLimited`].
    #[must_use]
    pub fn exceeded_limit(&self) -> Option<ExceededLimit> {
        self.0.exceeded_limit
    }
}

impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for error in &self.0.field_errors {
            write!(f, "; {}: {}", error.pointer, error.code)?;
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
