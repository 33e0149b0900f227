//! Accounts over HTTP.

use actix_web::{delete, get, patch, post, put, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::listing::{Filter, Sort};
use super::model::User;
use super::page;
use super::service::{self, NewUser, UserPatch};
use crate::app::State;
use crate::auth::{Can, needs};
use crate::error::AppError;
use crate::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, Json, Limit, Noted, Page, Params, Query, Reply,
};
use crate::ids::UserId;
use crate::passwords::{Chooser, Password};
use crate::replies::{self, Ask};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_user)
        .service(list_users)
        .service(get_user)
        .service(update_user)
        .service(replace_user_permissions)
        .service(set_user_status)
        .service(reset_user_password)
        .service(remove_user_password)
        .service(delete_user)
        .service(restore_user)
        .service(sign_out_user)
        .service(add_user_tag)
        .service(remove_user_tag);
}

/// Make an account.
///
/// Needs `users.create`; direct grants need `users.managePermissions` too, and everything given must be held.
#[utoipa::path(
    operation_id = "createUser", tag = "users", request_body = NewUser,
    responses((status = 201, description = "Made; `Location` names it.", body = Data<User>))
)]
#[post("/api/v1/users")]
async fn create_user(
    by: Can<needs::CreateUsers>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewUser>,
) -> Result<Reply, AppError> {
    let ask = Ask::new(&app.vault, "createUser", key.0, &body.raw);
    let (draft, password) = body.into_inner().check()?;
    let hash = match password {
        Some(password) => Some(
            app.passwords
                .choose(&app.db, draft.chooser(), password, "/password")
                .await?,
        ),
        None => None,
    };
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            replies::once(tx, &vault, &by, &ask, |tx| {
                let user = service::create(tx, &by, &draft, hash.as_ref())?;
                let reply = Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)?;
                Ok((reply, Some(user.id.0)))
            })
        })
        .await
}

/// Which accounts, in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; ListRequest reads them")]
struct ListParams {
    /// Part of the username, display name or email address.
    query: Option<String>,
    /// This username.
    username: Option<String>,
    /// This email address, without regard to case.
    email: Option<String>,
    /// This role.
    role: Option<String>,
    /// This active state.
    #[param(rename = "isActive")]
    is_active: Option<bool>,
    /// This tag.
    tag: Option<String>,
    /// This permission, directly or through the role.
    permission: Option<String>,
    /// Only deleted accounts; without it only those that are not.
    deleted: Option<bool>,
    /// `createdAtUtc`, `username` or `lastLoginAtUtc`; a `-` before it: descending.
    #[param(default = "-createdAtUtc")]
    sort: Option<String>,
    /// How many on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `page.next` of the page before.
    cursor: Option<String>,
    /// Whether `page.total` is wanted.
    count: Option<bool>,
}

struct ListRequest {
    filter: Filter,
    limit: Limit,
    cursor: Option<String>,
    count: bool,
}

impl FromQuery for ListRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        let sort = params.take_with("sort", |text| {
            Sort::parse(text).ok_or(("invalid_value", "is no order known here"))
        });
        Ok(Self {
            filter: Filter {
                query: params
                    .take("query")
                    .filter(|part: &String| !part.is_empty()),
                username: params.take("username"),
                email: params.take("email"),
                role: params.take("role"),
                is_active: params.take("isActive"),
                tag: params.take("tag"),
                permission: params.take("permission"),
                deleted: params.take("deleted").unwrap_or_default(),
                attributes: params.take_prefixed("attr."),
                sort: sort.unwrap_or_default(),
            },
            limit: Limit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// List accounts.
///
/// Needs `users.read`. A parameter `attr.<name>` asks for accounts whose attribute has that value.
#[utoipa::path(
    operation_id = "listUsers", tag = "users", params(ListParams),
    responses((status = 200, description = "One page.", body = Page<User>))
)]
#[get("/api/v1/users")]
async fn list_users(
    by: Can<needs::ReadUsers>,
    app: State,
    query: Query<ListRequest>,
) -> Result<Reply, AppError> {
    let ListRequest {
        filter,
        limit,
        cursor,
        count,
    } = query.into_inner();
    let context = format!(
        "users {}",
        serde_json::to_string(&filter).map_err(AppError::internal)?
    );
    let after = cursor
        .map(|cursor| app.cursors.decode(&context, &cursor))
        .transpose()?;
    let sort = filter.sort;
    let (users, total) = app
        .db
        .read(move |tx| service::list(tx, &by, &filter, after.as_ref(), limit.rows(), count))
        .await?;
    let cursor = |last: &User| app.cursors.encode(&context, &sort.position(last));
    Reply::page(&Page::of(users, limit, cursor)?.counted(total))
}

/// Show an account.
///
/// Needs `users.read`. A deleted one is shown too.
#[utoipa::path(
    operation_id = "getUser", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The account.", body = Data<User>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/users/{id}")]
async fn get_user(
    _by: Can<needs::ReadUsers>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    page::show(&app, UserId::from_path(&id)).await
}

/// Change an account.
///
/// Needs `users.update`, and `users.disable` for `isActive`. A merge patch: absent keeps, `null` clears, a value sets.
#[utoipa::path(
    operation_id = "updateUser", tag = "users", params(("id" = UserId, Path)), request_body = UserPatch,
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[patch("/api/v1/users/{id}")]
async fn update_user(
    by: Can<needs::UpdateUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<UserPatch>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let change = body.into_inner().check()?;
    let user = app
        .db
        .write(move |tx| service::change(tx, &by, id, &change, &expected))
        .await?;
    Reply::resource(&user)
}

/// All the direct grants of an account.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
struct PermissionChange {
    /// Each in the catalogue; what is not named is taken away.
    #[schema(example = json!(["users.read"]))]
    permissions: Vec<String>,
}

/// Replace an account's direct grants.
///
/// Needs `users.managePermissions`; what is added must be held.
#[utoipa::path(
    operation_id = "replaceUserPermissions", tag = "users", params(("id" = UserId, Path)), request_body = PermissionChange,
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[patch("/api/v1/users/{id}/permissions")]
async fn replace_user_permissions(
    by: Can<needs::ManagePermissions>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<PermissionChange>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let wanted = body.into_inner().permissions;
    let user = app
        .db
        .write(move |tx| service::replace_permissions(tx, &by, id, &wanted, &expected))
        .await?;
    Reply::resource(&user)
}

/// Off or on.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusChange {
    /// A disabled account can't sign in, and its sessions end.
    #[schema(example = false)]
    is_active: bool,
}

/// Switch an account off or on.
///
/// Needs `users.disable`. Switching off ends every session and token at once; they stay ended.
#[utoipa::path(
    operation_id = "setUserStatus", tag = "users", params(("id" = UserId, Path)), request_body = StatusChange,
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[post("/api/v1/users/{id}/status")]
async fn set_user_status(
    by: Can<needs::DisableUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<StatusChange>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let active = body.is_active;
    let user = app
        .db
        .write(move |tx| service::set_active(tx, &by, id, active, &expected))
        .await?;
    Reply::resource(&user)
}

/// Another password.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordReset {
    /// The password from now on.
    #[schema(example = "another long passphrase")]
    new_password: Password,
}

/// Give an account another password.
///
/// Needs `users.resetPassword` and every permission that the account has. Its sessions end.
#[utoipa::path(
    operation_id = "resetUserPassword", tag = "users", params(("id" = UserId, Path)), request_body = PasswordReset,
    responses((status = 204, description = "Done."))
)]
#[post("/api/v1/users/{id}/reset-password")]
async fn reset_user_password(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    body: Json<PasswordReset>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let password = body.into_inner().new_password;
    let hash = app
        .passwords
        .choose(&app.db, Chooser::Account(id), password, "/newPassword")
        .await?;
    app.db
        .write(move |tx| service::reset_password(tx, &by, id, &hash, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Remove an account's password.
///
/// Needs `users.resetPassword`. Its sessions end.
#[utoipa::path(
    operation_id = "removeUserPassword", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/users/{id}/password")]
async fn remove_user_password(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::remove_password(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// How to delete.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteRequest {
    /// For ever: the account and all that hangs on it is gone, and its name is free.
    #[param(required = false, default = false)]
    purge: bool,
}

impl FromQuery for DeleteRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        Ok(Self {
            purge: params.take("purge").unwrap_or_default(),
        })
    }
}

/// Delete an account.
///
/// Needs `users.delete`. It can't sign in, keeps its name and can be restored; with `purge=true` it is gone for ever.
#[utoipa::path(
    operation_id = "deleteUser", tag = "users", params(("id" = UserId, Path), DeleteRequest),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/users/{id}")]
async fn delete_user(
    by: Can<needs::DeleteUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    query: Query<DeleteRequest>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let remove = if query.purge {
        service::purge
    } else {
        service::delete
    };
    app.db
        .write(move |tx| remove(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Bring a deleted account back.
///
/// Needs `users.delete`. What was ended stays ended.
#[utoipa::path(
    operation_id = "restoreUser", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[post("/api/v1/users/{id}/restore")]
async fn restore_user(
    by: Can<needs::DeleteUsers>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let user = app
        .db
        .write(move |tx| service::restore(tx, &by, id, &expected))
        .await?;
    Reply::resource(&user)
}

/// Sign an account out everywhere.
///
/// Needs `sessions.revoke`.
#[utoipa::path(
    operation_id = "signOutUser", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "Done."))
)]
#[delete("/api/v1/users/{id}/sessions")]
async fn sign_out_user(
    by: Can<needs::RevokeSessions>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::sign_out(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Tag an account.
///
/// Needs `users.update`.
#[utoipa::path(
    operation_id = "addUserTag", tag = "users", params(("id" = UserId, Path), ("tag" = String, Path)),
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[put("/api/v1/users/{id}/tags/{tag}")]
async fn add_user_tag(
    by: Can<needs::UpdateUsers>,
    app: State,
    path: web::Path<(String, String)>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    set_tag(by, app, path.into_inner(), true, expected).await
}

/// Take a tag from an account.
///
/// Needs `users.update`.
#[utoipa::path(
    operation_id = "removeUserTag", tag = "users", params(("id" = UserId, Path), ("tag" = String, Path)),
    responses((status = 200, description = "The account as it is now.", body = Data<User>))
)]
#[delete("/api/v1/users/{id}/tags/{tag}")]
async fn remove_user_tag(
    by: Can<needs::UpdateUsers>,
    app: State,
    path: web::Path<(String, String)>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    set_tag(by, app, path.into_inner(), false, expected).await
}

async fn set_tag(
    by: Can<needs::UpdateUsers>,
    app: State,
    (id, tag): (String, String),
    present: bool,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let user = app
        .db
        .write(move |tx| service::set_tag(tx, &by, id, &tag, present, &expected))
        .await?;
    Reply::resource(&user)
}
