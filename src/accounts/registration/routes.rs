//! The registration endpoint.

use std::sync::Arc;

use actix_web::post;
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::RegistrationRequest;
use super::service::{self, RegistrationAttempt};
use crate::access::actor::{Actor, Origin};
use crate::access::passwords::Password;
use crate::accounts::users::User;
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{Data, Json, Reply};

/// Registers the endpoint and its documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(register);
}

/// Create an account for oneself.
///
/// Depends on `ROSTERD_REGISTRATION`: closed (403 `registration_closed`), with an invite only (403 `invite_invalid`,
/// `invite_expired`, `invite_exhausted`), or open. An invite token must be valid even if registration is open. The account
/// gets the role `User`, or what the invite grants. The caller is not signed in. An email address must be confirmed by mail.
/// If another account has the address, the response is the same, but no account is created and the owner of the address is
/// notified by mail. Too many registrations or invalid invite tokens from one source or network: 429 `rate_limited`.
#[utoipa::path(
    operation_id = "register", tag = "auth", request_body = RegistrationRequest, security(()),
    responses((status = 201, description = "The account is created; the caller is not signed in.", body = Data<User>))
)]
#[post("/api/v1/auth/register")]
async fn register(
    app: State,
    origin: Origin,
    body: Result<Json<RegistrationRequest>, AppError>,
) -> Result<Reply, AppError> {
    service::check_enabled(app.registration)?;
    let actor = Actor::anonymous(origin);
    let (attempt, password) = body?.into_inner().into_attempt(actor, app.registration)?;
    let user = precheck_and_register(&app, Arc::new(attempt), password).await?;
    Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)
}

/// Checks the attempt before the password is hashed, which is expensive, and again when the account is created.
async fn precheck_and_register(
    app: &AppState,
    attempt: Arc<RegistrationAttempt>,
    password: Password,
) -> Result<User, AppError> {
    let precheck = attempt.clone();
    app.db
        .write(move |tx| service::precheck(tx, &precheck))
        .await?;
    let owner = attempt.draft.password_owner();
    let hash = app
        .passwords
        .validate_and_hash(&app.db, owner, password, "/password")
        .await?;
    let mail = app.mail.clone();
    app.db
        .write(move |tx| service::register(tx, &mail, &attempt, &hash))
        .await
}
