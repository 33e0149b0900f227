//! `POST /users` and `GET`, `PATCH /users/{id}` with tags.

use actix_web::{delete, get, patch, post, put, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::service;
use super::{bulk, import, list_routes, removal, response_cache, status};
use crate::access::authentication::{Can, needs};
use crate::accounts::users::{self, NewUser, User, UserPatch};
use crate::app_state::State;
use crate::idempotency::{self, IdempotentRequest};
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, InvalidQuery, Json, Query, QueryParams, Reply,
};
use crate::platform::ids::UserId;

/// Mounts and documents them.
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
        .configure(status::routes)
        .configure(removal::routes);
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
    let ask = IdempotentRequest::new(&app.vault, "createUser", key.0, &body.raw);
    let (draft, password) = body.into_inner().check()?;
    let hash = match password {
        Some(password) => Some(
            app.passwords
                .validate_and_hash(&app.db, draft.password_owner(), password, "/password")
                .await?,
        ),
        None => None,
    };
    let vault = app.vault.clone();
    app.db
        .write(move |tx| {
            idempotency::run_once(tx, &vault, &by, &ask, |tx| {
                let user = users::service::create(tx, &by, &draft, hash.as_ref())?;
                let reply = Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)?;
                Ok((reply, Some(user.id.0)))
            })
        })
        .await
}

/// How to show an account.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ShowUserQuery {
    /// `stats` adds the numbers of sessions and tokens.
    #[param(value_type = Option<String>, pattern = "^stats$", example = "stats")]
    expand: Option<()>,
}

impl FromQuery for ShowUserQuery {
    fn from_query(params: &mut QueryParams<'_>) -> Result<Self, InvalidQuery> {
        let expand = params.take_with("expand", |text| match text {
            "stats" => Ok(()),
            _ => Err(("invalid_value", "must be: stats")),
        });
        Ok(Self { expand })
    }
}

/// Show an account.
///
/// Needs `users.read`. A deleted one is shown too.
#[utoipa::path(
    operation_id = "getUser", tag = "users", params(("id" = UserId, Path), ShowUserQuery),
    responses((status = 200, description = "The account.", body = Data<User>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/users/{id}")]
async fn get_user(
    _by: Can<needs::ReadUsers>,
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
        .write(move |tx| service::update(tx, &by, id, &change, &expected))
        .await?;
    Reply::resource(&user)
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
