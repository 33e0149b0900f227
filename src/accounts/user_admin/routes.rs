//! Endpoints that create, show and change accounts and their tags.

use actix_web::{delete, get, patch, post, put, web};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::initial_password::validate_new_user;
use super::{bulk, import, list_routes, removal, response_cache, service, status_and_permissions};
use crate::access::authentication::{Can, needs};
use crate::accounts::users::{self, NewUser, User, UserPatch};
use crate::app_state::State;
use crate::idempotency::IdempotentRequest;
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, InvalidQuery, Json, Query, QueryReader, Reply,
};
use crate::platform::ids::UserId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_user)
        .configure(bulk::routes)
        .configure(import::routes)
        .configure(list_routes::routes)
        .service(get_user)
        .service(update_user)
        .service(add_user_tag)
        .service(remove_user_tag)
        .configure(status_and_permissions::routes)
        .configure(removal::routes);
}

/// Create a user.
///
/// Needs `users.create`; direct grants also need `users.managePermissions`. The caller must hold everything it grants.
#[utoipa::path(
    operation_id = "createUser", tag = "users", request_body = NewUser,
    responses((status = 201, description = "Created. `Location` is the URL of the account.", body = Data<User>))
)]
#[post("/api/v1/users")]
async fn create_user(
    caller: Can<needs::CreateUsers>,
    app: State,
    key: IdempotencyKey,
    body: Json<NewUser>,
) -> Result<Reply, AppError> {
    let request = IdempotentRequest::new(&app.vault, "createUser", key, &body.raw);
    let (draft, hash) = validate_new_user(&app, body.into_inner()).await?;
    request
        .run(&app.db, caller, move |tx, caller| {
            let user = users::service::create(tx, caller, &draft, hash.as_ref())?;
            let reply = Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)?;
            Ok((reply, Some(user.id.0)))
        })
        .await
}

/// A member that is shown on request.
#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "camelCase")]
enum ExpandedMember {
    /// The numbers of sessions and tokens.
    Stats,
}

/// The query parameters of showing an account.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ShowUserQuery {
    /// `stats` adds the member `stats` with the numbers of sessions and tokens.
    #[param(inline, example = "stats")]
    expand: Option<ExpandedMember>,
}

impl FromQuery for ShowUserQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        let expand = params.take_with("expand", |text| match text {
            "stats" => Ok(ExpandedMember::Stats),
            _ => Err(("invalid_value", "must be stats")),
        });
        Ok(Self { expand })
    }
}

/// Show a user.
///
/// Needs `users.read`. Deleted accounts are shown too.
#[utoipa::path(
    operation_id = "getUser", tag = "users", params(("id" = UserId, Path), ShowUserQuery),
    responses((status = 200, description = "The account.", body = Data<User>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/users/{id}")]
async fn get_user(
    _caller: Can<needs::ReadUsers>,
    app: State,
    id: web::Path<String>,
    query: Query<ShowUserQuery>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    if query.expand.is_some() {
        response_cache::show_with_stats(&app, id).await
    } else {
        response_cache::show(&app, id).await
    }
}

/// Change a user.
///
/// Needs `users.update`, and also `users.disable` for `isActive`, and for setting `expiresAtUtc` or an earlier one. The body is
/// a merge patch: absent members stay, `null` clears, a value sets. An account that gets a higher rank or more permissions, and
/// whose password was set by someone else, must set a new one; its sessions and tokens end. The response shows the account:
/// `users.update` includes reading the accounts that the caller may change.
#[utoipa::path(
    operation_id = "updateUser", tag = "users", params(("id" = UserId, Path)), request_body = UserPatch,
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[patch("/api/v1/users/{id}")]
async fn update_user(
    caller: Can<needs::UpdateUsers>,
    app: State,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Json<UserPatch>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let change = body.into_inner().check()?;
    let user = app
        .db
        .write(move |tx| service::update(tx, &caller, id, &change, &if_match))
        .await?;
    Reply::resource(&user)
}

/// Add a tag to a user.
///
/// Needs `users.update`.
#[utoipa::path(
    operation_id = "addUserTag", tag = "users", params(("id" = UserId, Path), ("tag" = String, Path, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9:._-]+$")),
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[put("/api/v1/users/{id}/tags/{tag}")]
async fn add_user_tag(
    caller: Can<needs::UpdateUsers>,
    app: State,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    set_tag(caller, app, path.into_inner(), true, if_match).await
}

/// Remove a tag from a user.
///
/// Needs `users.update`.
#[utoipa::path(
    operation_id = "removeUserTag", tag = "users", params(("id" = UserId, Path), ("tag" = String, Path, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9:._-]+$")),
    responses((status = 200, description = "The account after the change.", body = Data<User>))
)]
#[delete("/api/v1/users/{id}/tags/{tag}")]
async fn remove_user_tag(
    caller: Can<needs::UpdateUsers>,
    app: State,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    set_tag(caller, app, path.into_inner(), false, if_match).await
}

async fn set_tag(
    caller: Can<needs::UpdateUsers>,
    app: State,
    (id, tag): (String, String),
    present: bool,
    if_match: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let user = app
        .db
        .write(move |tx| service::set_tag(tx, &caller, id, &tag, present, &if_match))
        .await?;
    Reply::resource(&user)
}
