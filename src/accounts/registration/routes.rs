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
/// gets the role `User`, or what the invite grants. The caller is not signed in.
///
/// With `ROSTERD_REGISTRATION_CONFIRM`, the default if mail is configured, `email` is required, and the account can't sign in
/// before the address is confirmed (403 `auth_email_not_confirmed`). It gets the address when it is confirmed, and is removed
/// after two days otherwise. If another account has the address, the response is the same, and the owner of the address is
/// notified by mail; the new account can't be confirmed. Without it, no account is created for a taken address.
///
/// With `ROSTERD_REGISTRATION_APPROVAL` the account is disabled until an administrator enables it.
/// `ROSTERD_REGISTRATION_DOMAINS` limits the domains of email addresses. Too many registrations or invalid invite tokens from one source or network: 429 `rate_limited`.
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
    service::check_enabled(app.registration.mode)?;
    let actor = Actor::anonymous(origin);
    let (attempt, password) = validate(&app, actor, body?.into_inner())?;
    let user = precheck_and_register(&app, Arc::new(attempt), password).await?;
    Reply::created_resource(format!("/api/v1/users/{}", user.id), &user)
}

/// Validates the account data and the password, so that one response reports all errors.
fn validate(
    app: &AppState,
    actor: Actor,
    request: RegistrationRequest,
) -> Result<(RegistrationAttempt, Password), AppError> {
    let names = (&*request.username, request.email.as_deref());
    let policy_result = app
        .passwords
        .check_policy(names, &request.password, "/password");
    let attempt = request.into_attempt(actor, &app.registration);
    AppError::both(attempt, policy_result).map(|(valid, ())| valid)
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
    let owner = attempt.password_owner();
    let hash = app
        .passwords
        .validate_and_hash(&app.db, owner, password, "/password")
        .await?;
    let (mail, vault) = (app.mail.clone(), app.vault.clone());
    app.db
        .write(move |tx| service::register(tx, (&*mail, &*vault), &attempt, &hash))
        .await
}
