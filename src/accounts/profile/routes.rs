//! One's own account over HTTP.

use actix_web::{delete, get, patch, post};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::authentication::middleware::Bearer;
use crate::access::authentication::{Actor, AuthenticatedCaller, Origin, SignedIn};
use crate::access::passwords::{Chooser, Claimant, Password, Proof};
use crate::accounts::roles::service::Check;
use crate::accounts::roles::{self, PermissionName};
use crate::accounts::users::service::UserPatch;
use crate::accounts::users::{self, Change, User};
use crate::app_state::{AppState, State};
use crate::platform::error::{AppError, Code, Faults};
use crate::platform::http::{Data, IfMatch, Json, Patch, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(get_me)
        .service(update_me)
        .service(delete_me)
        .service(check_permissions)
        .service(change_password);
}

/// Show the caller's account, or the one that a personal access token acts for.
#[utoipa::path(
    operation_id = "getMe", tag = "auth",
    responses((status = 200, description = "The account.", body = Data<User>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/auth/me")]
async fn get_me(by: AuthenticatedCaller, app: State) -> Result<Reply, AppError> {
    let id = by.user_id().ok_or(Code::AuthSessionRequired)?;
    users::response_cache::show(&app, id).await
}

/// A change of one's own account (RFC 7396): what is absent stays, `null` clears, a value sets.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"displayName": "Ada Lovelace", "attributes": {"locale": "en"}}))]
struct OwnPatch {
    /// What people call this person.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    display_name: Patch<String>,
    /// Merged member by member; a member that is `null` is removed.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attributes: Patch<Value>,
    /// Another address, which is not confirmed until it is confirmed anew. Needs `currentPassword`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Patch<String>,
    /// The password, to prove who is asking.
    current_password: Option<Password>,
}

impl OwnPatch {
    fn check(self) -> Result<(Change, Option<Password>), AppError> {
        if !self.email.is_keep() && self.current_password.is_none() {
            let detail = "another address needs the password";
            return Err(AppError::fault("/currentPassword", "required", detail));
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

/// Change one's own account.
///
/// What people may change about themselves: display name, attributes and, with the password, the email address. A merge
/// patch: absent keeps, `null` clears, a value sets. The caller is a session.
#[utoipa::path(
    operation_id = "updateMe", tag = "auth", request_body = OwnPatch,
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[patch("/api/v1/auth/me")]
async fn update_me(
    by: SignedIn,
    app: State,
    expected: IfMatch,
    body: Json<OwnPatch>,
) -> Result<Reply, AppError> {
    let (change, password) = body.into_inner().check()?;
    let proof = match password {
        Some(password) => Some(prove(&app, &by, users::service::CHANGE_OWN, password).await?),
        None => None,
    };
    let mail = app.mail.clone();
    let user = app
        .db
        .write(move |tx| service::change(tx, &mail, &by, &change, proof.as_ref(), &expected))
        .await?;
    Reply::resource(&user)
}

/// The password of the account that is to be deleted.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Farewell {
    /// The password, to prove who is asking.
    current_password: Password,
}

/// Delete one's own account.
///
/// Nobody can sign in to it any more, and its sessions and tokens end. Its name stays taken; it can be restored by
/// whoever restores accounts. The last `SuperAdmin` stays (409 `last_super_admin`). The caller is a session.
#[utoipa::path(
    operation_id = "deleteMe", tag = "auth", request_body = Farewell,
    responses((status = 204, description = "Deleted."))
)]
#[delete("/api/v1/auth/me")]
async fn delete_me(
    by: SignedIn,
    app: State,
    expected: IfMatch,
    body: Json<Farewell>,
) -> Result<Reply, AppError> {
    let password = body.into_inner().current_password;
    let proof = prove(&app, &by, users::service::DELETE_OWN, password).await?;
    app.db
        .write(move |tx| service::delete(tx, &by, &proof, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Checks the caller's password, which is to be good for `act`.
async fn prove(
    app: &AppState,
    by: &SignedIn,
    act: &'static str,
    password: Password,
) -> Result<Proof, AppError> {
    let claimant = Claimant::Account(by.id);
    app.passwords
        .prove(&app.db, by, act, claimant, password)
        .await
}

/// What the caller wants to know about itself.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Question {
    /// At most 1000 names.
    #[validate(length(max = 1000))]
    #[schema(max_items = 1000, example = json!(["users.read", "users.delete"]))]
    permissions: Vec<String>,
}

impl Question {
    fn names(&self) -> Result<Vec<PermissionName>, AppError> {
        let mut faults = Faults::default();
        let read = |(index, text): (usize, &String)| {
            let name = PermissionName::parse(text);
            let name = name.map_err(|wrong| ("invalid_format", wrong.to_string().into()));
            faults.take::<_>(format!("/permissions/{index}"), name)
        };
        let names = self
            .permissions
            .iter()
            .enumerate()
            .filter_map(read)
            .collect();
        faults.finish(Some(names))
    }
}

/// Check which of some permissions the caller holds.
///
/// For every caller whose token is good, a person or a program; one with a list of its own holds no more than that list.
/// A name that is not in the catalogue is missing, for a `SuperAdmin` too.
#[utoipa::path(
    operation_id = "checkPermissions", tag = "auth", request_body = Question,
    responses((status = 200, description = "Those that are held and those that are not.", body = Data<Check>))
)]
#[post("/api/v1/auth/check")]
async fn check_permissions(
    by: AuthenticatedCaller,
    app: State,
    body: Json<Question>,
) -> Result<Reply, AppError> {
    let names = body.names()?;
    let check = app
        .db
        .read(move |tx| roles::service::check(tx, &by.authority.permissions, &names))
        .await?;
    Reply::ok(&check)
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordChange {
    /// The password until now.
    current_password: Password,
    /// The password from now on.
    new_password: Password,
    /// The token of a sign-in that was answered `auth_password_change_required`, when it is not sent as the bearer token.
    change_token: Option<String>,
}

/// Change one's own password.
///
/// The caller is a session, or whoever holds the `changeToken` of a sign-in that needs a new password first. Every other
/// session of the account ends.
#[utoipa::path(
    operation_id = "changePassword", tag = "auth", request_body = PasswordChange, security((), ("bearer" = [])),
    responses((status = 204, description = "Changed."))
)]
#[post("/api/v1/auth/change-password")]
async fn change_password(
    caller: Result<SignedIn, AppError>,
    bearer: Bearer,
    origin: Origin,
    app: State,
    body: Result<Json<PasswordChange>, AppError>,
) -> Result<Reply, AppError> {
    let in_body = body
        .as_ref()
        .ok()
        .and_then(|body| body.value.change_token.clone());
    let (by, id, version) = match (caller, bearer.0.or(in_body)) {
        (Ok(caller), _) => (Actor::clone(&caller), caller.id, None),
        (Err(why), _) if why.code() == Code::AuthSessionRequired => return Err(why),
        (Err(_), Some(token)) => {
            let (id, version) = app.issuer.verify_change_token(&token)?;
            (Actor::anonymous(origin), id, Some(version))
        }
        (Err(_), None) => return Err(Code::AuthRequired.into()),
    };
    let PasswordChange {
        current_password,
        new_password,
        ..
    } = body?.into_inner();
    let mut proof = app
        .passwords
        .prove(
            &app.db,
            &by,
            users::service::CHANGE_PASSWORD,
            Claimant::Account(id),
            current_password,
        )
        .await?;
    proof.is_right &= version.is_none_or(|version| version == proof.password_version);
    let hash = app
        .passwords
        .choose(&app.db, Chooser::Account(id), new_password, "/newPassword")
        .await?;
    app.db
        .write(move |tx| service::change_password(tx, &by, id, &proof, &hash))
        .await?;
    Ok(Reply::no_content())
}
