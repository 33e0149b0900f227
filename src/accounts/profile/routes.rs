//! Endpoints for the caller's own account.

use actix_web::{delete, get, patch, post};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::actor::{Actor, Origin, PermissionName};
use crate::access::authentication::middleware::BearerToken;
use crate::access::authentication::{AuthenticatedCaller, SignedIn};
use crate::access::password_check::{LoginIdentifier, PasswordCheckResult};
use crate::access::passwords::{Password, PasswordOwner};
use crate::accounts::credentials::service::CHANGE_PASSWORD;
use crate::accounts::roles::{self, PermissionCheck};
use crate::accounts::user_admin;
use crate::accounts::users::{User, UserPatch, ValidatedUserChange};
use crate::app_state::{AppState, State};
use crate::platform::error::{AppError, Code, FieldErrors};
use crate::platform::http::{Data, IfMatch, Json, PatchField, Reply};
use crate::platform::ids::UserId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(get_me)
        .service(update_me)
        .service(delete_me)
        .service(delete_me_by_post)
        .service(check_permissions)
        .service(change_password);
}

/// Show the caller's account.
///
/// With a personal access token, this is the account that owns the token.
#[utoipa::path(
    operation_id = "getMe", tag = "auth",
    responses((status = 200, description = "The account.", body = Data<User>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/auth/me")]
async fn get_me(caller: AuthenticatedCaller, app: State) -> Result<Reply, AppError> {
    let id = caller.user_id().ok_or(Code::AuthSessionRequired)?;
    user_admin::response_cache::show(&app, id).await
}

/// A merge patch (RFC 7396) of the caller's own account: absent fields are kept, `null` clears, a value sets.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = MeUpdate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"displayName": "Ada Lovelace", "attributes": {"locale": "en"}}))]
struct ProfilePatch {
    /// The name to show for this person.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    display_name: PatchField<String>,
    /// Merged member by member. A member that is `null` is removed.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attributes: PatchField<Value>,
    /// A new email address, which must be confirmed. Requires `currentPassword`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 254)]
    email: PatchField<String>,
    /// The current password. Required to change the email address.
    current_password: Option<Password>,
}

impl ProfilePatch {
    fn check(self) -> Result<(ValidatedUserChange, Option<Password>), AppError> {
        if !self.email.is_keep() && self.current_password.is_none() {
            let detail = "is required to change the email address";
            return Err(AppError::invalid_field(
                "/currentPassword",
                "required",
                detail,
            ));
        }
        let patch = UserPatch {
            display_name: self.display_name,
            attributes: self.attributes,
            email: self.email,
            ..UserPatch::default()
        };
        Ok((patch.check()?, self.current_password))
    }
}

/// Change the caller's own account.
///
/// A merge patch (RFC 7396) of display name, attributes and email address. A new email address requires the current
/// password (403 `auth_current_password_wrong` if it is wrong). If mail is configured, the account keeps its address until the new one is confirmed with the link that is sent
/// to it, and the response does not reveal whether another account has the new one: only its owner is told, by mail. The
/// caller must be a session.
#[utoipa::path(
    operation_id = "updateMe", tag = "auth", request_body = ProfilePatch,
    responses((status = 200, description = "The changed account.", body = Data<User>))
)]
#[patch("/api/v1/auth/me")]
async fn update_me(
    caller: SignedIn,
    app: State,
    if_match: IfMatch,
    body: Json<ProfilePatch>,
) -> Result<Reply, AppError> {
    let (change, password) = body.into_inner().check()?;
    let check = match password {
        Some(password) => {
            Some(check_password(&app, &caller, caller.id, service::UPDATE_OWN, password).await?)
        }
        None => None,
    };
    let (mail, vault) = (app.mail.clone(), app.vault.clone());
    let user = app
        .db
        .write(move |tx| {
            let context = (&*mail, &*vault);
            service::update(tx, context, &caller, &change, check.as_ref(), &if_match)
        })
        .await?;
    Reply::resource(&user)
}

/// The current password of the account to delete.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = AccountDeletionRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AccountDeletionRequest {
    /// The current password.
    current_password: Password,
}

/// Delete the caller's own account.
///
/// The account can no longer sign in, and its sessions and tokens end. The username stays reserved. An administrator can
/// restore the account. A wrong password is 403 `auth_current_password_wrong`. The last `SuperAdmin` can't be deleted (409
/// `last_super_admin`). The caller must be a session.
#[utoipa::path(
    operation_id = "deleteMe", tag = "auth", request_body = AccountDeletionRequest,
    responses((status = 204, description = "The account is deleted."))
)]
#[delete("/api/v1/auth/me")]
async fn delete_me(
    caller: SignedIn,
    app: State,
    if_match: IfMatch,
    body: Json<AccountDeletionRequest>,
) -> Result<Reply, AppError> {
    delete_own_account(app, caller, if_match, body.into_inner()).await
}

/// Delete the caller's own account, by POST.
///
/// The same as `DELETE /api/v1/auth/me`, for clients behind intermediaries that drop the body of a DELETE.
#[utoipa::path(
    operation_id = "deleteMeByPost", tag = "auth", request_body = AccountDeletionRequest,
    responses((status = 204, description = "The account is deleted."))
)]
#[post("/api/v1/auth/me/delete")]
async fn delete_me_by_post(
    caller: SignedIn,
    app: State,
    if_match: IfMatch,
    body: Json<AccountDeletionRequest>,
) -> Result<Reply, AppError> {
    delete_own_account(app, caller, if_match, body.into_inner()).await
}

async fn delete_own_account(
    app: State,
    caller: SignedIn,
    if_match: IfMatch,
    request: AccountDeletionRequest,
) -> Result<Reply, AppError> {
    let (action, password) = (service::DELETE_OWN, request.current_password);
    let check = check_password(&app, &caller, caller.id, action, password).await?;
    app.db
        .write(move |tx| service::delete(tx, &caller, &check, &if_match))
        .await?;
    Ok(Reply::no_content())
}

/// Checks the current password of an account for the audit action `action`.
async fn check_password(
    app: &AppState,
    actor: &Actor,
    user_id: UserId,
    action: &'static str,
    password: Password,
) -> Result<PasswordCheckResult, AppError> {
    let identifier = LoginIdentifier::Account(user_id);
    app.passwords
        .check_password(&app.db, actor, action, identifier, password)
        .await
}

/// The permissions to check.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = PermissionCheckRequest)]
#[serde(deny_unknown_fields)]
struct PermissionCheckRequest {
    /// At most 1000 names.
    #[validate(length(max = 1000))]
    #[schema(max_items = 1000, example = json!(["users.read", "users.delete"]))]
    permissions: Vec<String>,
}

impl PermissionCheckRequest {
    fn names(&self) -> Result<Vec<PermissionName>, AppError> {
        let mut errors = FieldErrors::default();
        let parse = |(index, text): (usize, &String)| {
            let name = PermissionName::parse(text)
                .map_err(|error| ("invalid_format", error.to_string().into()));
            errors.check::<_>(format!("/permissions/{index}"), name)
        };
        let names = self
            .permissions
            .iter()
            .enumerate()
            .filter_map(parse)
            .collect();
        errors.into_result(Some(names))
    }
}

/// Check which permissions the caller holds.
///
/// For every authenticated caller. A token or client with its own list of permissions holds at most those. A name that is not
/// in the catalogue counts as missing, even for a `SuperAdmin`.
#[utoipa::path(
    operation_id = "checkPermissions", tag = "auth", request_body = PermissionCheckRequest,
    responses((status = 200, description = "The held and the missing permissions.", body = Data<PermissionCheck>))
)]
#[post("/api/v1/auth/check")]
async fn check_permissions(
    caller: AuthenticatedCaller,
    app: State,
    body: Json<PermissionCheckRequest>,
) -> Result<Reply, AppError> {
    let names = body.names()?;
    let check = app
        .db
        .read(move |tx| roles::service::check(tx, &caller.authority.permissions, &names))
        .await?;
    Reply::ok(&check)
}

/// The current and the new password.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = ChangePasswordRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordChangeRequest {
    /// The current password.
    current_password: Password,
    /// The new password.
    new_password: Password,
    /// The token from a sign-in that was answered with `auth_password_change_required`, if it is not sent as bearer token.
    change_token: Option<String>,
}

/// The account whose password is to be changed, and who changes it.
struct PasswordChange {
    actor: Actor,
    user_id: UserId,
    /// The password version for which the change token was issued.
    token_version: Option<i64>,
}

impl PasswordChange {
    /// The account of the session, or else of the change token.
    fn authenticate(
        app: &AppState,
        caller: Result<SignedIn, AppError>,
        change_token: Option<String>,
        origin: Origin,
    ) -> Result<Self, AppError> {
        match (caller, change_token) {
            (Ok(caller), _) => Ok(Self {
                actor: Actor::clone(&caller),
                user_id: caller.id,
                token_version: None,
            }),
            (Err(error), _) if error.code() == Code::AuthSessionRequired => Err(error),
            (Err(_), Some(token)) => {
                let (user_id, version) = app.issuer.verify_password_change_token(&token)?;
                Ok(Self {
                    actor: Actor::anonymous(origin),
                    user_id,
                    token_version: Some(version),
                })
            }
            (Err(_), None) => Err(Code::AuthRequired.into()),
        }
    }

    /// Checks the current password, hashes the new one and stores it.
    async fn perform(self, app: &AppState, body: PasswordChangeRequest) -> Result<(), AppError> {
        let check = self.check_password(app, body.current_password).await?;
        let owner = PasswordOwner::ExistingAccount(self.user_id);
        let hash = app
            .passwords
            .validate_and_hash(&app.db, owner, body.new_password, "/newPassword")
            .await?;
        app.db
            .write(move |tx| service::change_password(tx, &self.actor, self.user_id, &check, &hash))
            .await
    }

    /// Checks the current password. A change token is valid only until the password changes.
    async fn check_password(
        &self,
        app: &AppState,
        password: Password,
    ) -> Result<PasswordCheckResult, AppError> {
        let check =
            check_password(app, &self.actor, self.user_id, CHANGE_PASSWORD, password).await?;
        let is_current = |version| version == check.password_version;
        if self.token_version.is_none_or(is_current) {
            Ok(check)
        } else {
            Err(Code::AuthTokenInvalid.into())
        }
    }
}

/// Change the caller's own password.
///
/// The caller is a session, or has the `changeToken` of a sign-in that requires a new password. Every other session of the
/// account ends. A wrong current password is 403 `auth_current_password_wrong`.
#[utoipa::path(
    operation_id = "changePassword", tag = "auth", request_body = PasswordChangeRequest, security((), ("bearer" = [])),
    responses((status = 204, description = "The password is changed."))
)]
#[post("/api/v1/auth/change-password")]
async fn change_password(
    caller: Result<SignedIn, AppError>,
    bearer: BearerToken,
    origin: Origin,
    app: State,
    body: Result<Json<PasswordChangeRequest>, AppError>,
) -> Result<Reply, AppError> {
    let body_token = body.as_ref().ok();
    let body_token = body_token.and_then(|body| body.value.change_token.clone());
    let change = PasswordChange::authenticate(&app, caller, bearer.0.or(body_token), origin)?;
    change.perform(&app, body?.into_inner()).await?;
    Ok(Reply::no_content())
}
