//! Accounts over HTTP.

use actix_web::{delete, get, patch, post, put, web};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::model::User;
use super::response_cache;
use super::service::{self, NewUser, UserPatch};
use super::{access, bulk, credentials, import, listing, removal};
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::idempotency::{self, Ask};
use crate::platform::error::AppError;
use crate::platform::http::{
    Data, FromQuery, IdempotencyKey, IfMatch, Json, Noted, Params, Query, Reply,
};
use crate::platform::ids::UserId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_user)
        .configure(bulk::routes)
        .configure(import::routes)
        .configure(listing::routes)
        .service(get_user)
        .service(update_user)
        .service(add_user_tag)
        .service(remove_user_tag)
        .configure(access::routes)
        .configure(credentials::routes)
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
            idempotency::once(tx, &vault, &by, &ask, |tx| {
                let user = service::create(tx, &by, &draft, hash.as_ref())?;
                let reply = Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)?;
                Ok((reply, Some(user.id.0)))
            })
        })
        .await
}

/// How to show an account.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; ShowRequest reads them")]
struct ShowParams {
    /// `stats`: how many sessions and tokens hang on it, too.
    #[param(pattern = "^stats$", example = "stats")]
    expand: Option<String>,
}

struct ShowRequest {
    wants_stats: bool,
}

impl FromQuery for ShowRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        let expand = params.take_with("expand", |text| match text {
            "stats" => Ok(()),
            _ => Err(("invalid_value", "can only be stats")),
        });
        Ok(Self {
            wants_stats: expand.is_some(),
        })
    }
}

/// Show an account.
///
/// Needs `users.read`. A deleted one is shown too.
#[utoipa::path(
    operation_id = "getUser", tag = "users", params(("id" = UserId, Path), ShowParams),
    responses((status = 200, description = "The account.", body = Data<User>), (status = 304, description = "Unchanged."))
)]
#[get("/api/v1/users/{id}")]
async fn get_user(
    _by: Can<needs::ReadUsers>,
    app: State,
    id: web::Path<String>,
    query: Query<ShowRequest>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    if query.wants_stats {
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
        .write(move |tx| service::change(tx, &by, id, &change, &expected))
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
