//! Signing in and out over HTTP.

use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::model::Tokens;
use super::service;
use crate::app::State;
use crate::auth::{Actor, Origin, SignedIn};
use crate::error::AppError;
use crate::http::{Data, Json, Reply};
use crate::passwords::{Claimant, Password};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(login).service(refresh).service(logout);
}

/// Who signs in.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"username": "ada", "password": "a long enough passphrase"}))]
struct SignIn {
    /// A username, or an email address that is confirmed.
    #[schema(example = "ada")]
    username: String,
    /// The password.
    password: Password,
    /// Whether the session has the long limits.
    #[serde(default)]
    remember_me: bool,
}

/// Sign in.
///
/// Any failure of name or password gets the same 401 in the same time. After a right password: 403 `auth_user_inactive`,
/// or `auth_password_change_required` with a `changeToken` that is good for ten minutes and only for `/auth/change-password`.
/// Too many failures for one name or from one address: 429 `rate_limited`, to a right password too.
#[utoipa::path(
    operation_id = "login", tag = "auth", request_body = SignIn, security(()),
    responses((status = 200, description = "Signed in.", body = Data<Tokens>))
)]
#[post("/api/v1/auth/login")]
async fn login(app: State, origin: Origin, body: Json<SignIn>) -> Result<Reply, AppError> {
    let SignIn {
        username,
        password,
        remember_me,
    } = body.into_inner();
    let by = Actor::anonymous(origin.clone());
    let who = Claimant::Name(username);
    let proof = app
        .passwords
        .prove(&app.db, &by, service::SIGN_IN, who, password)
        .await?;
    let means = app.means.clone();
    let tokens = app
        .db
        .write(move |tx| service::sign_in(tx, &means, &proof, remember_me, &origin))
        .await?;
    Reply::ok(&tokens)
}

/// The newest refresh token of a session.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Refresh {
    /// Good for one refresh; presented again within 30 s it gets the same successor, later it ends the session.
    refresh_token: String,
}

/// Trade a refresh token for new tokens.
#[utoipa::path(
    operation_id = "refresh", tag = "auth", request_body = Refresh, security(()),
    responses((status = 200, description = "New tokens.", body = Data<Tokens>))
)]
#[post("/api/v1/auth/refresh")]
async fn refresh(
    app: State,
    origin: Origin,
    caller: Option<SignedIn>,
    body: Json<Refresh>,
) -> Result<Reply, AppError> {
    let token = body.into_inner().refresh_token;
    let caller = caller.map(|caller| caller.session);
    let means = app.means.clone();
    let tokens = app
        .db
        .write(move |tx| service::refresh(tx, &means, &token, caller, &origin))
        .await?;
    Reply::ok(&tokens)
}

/// Sign out: end the caller's session.
#[utoipa::path(
    operation_id = "logout", tag = "auth",
    responses((status = 204, description = "Signed out."))
)]
#[post("/api/v1/auth/logout")]
async fn logout(by: SignedIn, app: State) -> Result<Reply, AppError> {
    app.db.write(move |tx| service::log_out(tx, &by)).await?;
    Ok(Reply::no_content())
}
