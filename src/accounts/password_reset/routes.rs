//! Reset links over HTTP. Nothing is ever used up by GET or HEAD, so a scanner that follows a link does no harm.

use actix_web::{delete, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::model::{OpenResetLink, ResetLink};
use super::policy::Lifetime;
use super::service;
use crate::access::authentication::{Actor, Can, Origin, needs};
use crate::access::passwords::{Chooser, Password};
use crate::accounts::users::Email;
use crate::app_state::State;
use crate::idempotency::{self, Ask};
use crate::platform::error::AppError;
use crate::platform::http::{Data, IdempotencyKey, IfMatch, Json, Reply};
use crate::platform::ids::UserId;

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_password_reset_link)
        .service(get_password_reset_link)
        .service(revoke_password_reset_link)
        .service(request_password_reset)
        .service(reset_password);
}

/// A link to make.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewResetLink {
    /// How long it is good: a day if not said.
    #[schema(example = 3600, minimum = 60, maximum = 604_800, default = 86_400)]
    expires_in_seconds: Option<i64>,
}

impl NewResetLink {
    fn lifetime(&self) -> Result<Lifetime, AppError> {
        match self.expires_in_seconds {
            None => Ok(Lifetime::default()),
            Some(seconds) => Lifetime::of_seconds(seconds).map_err(|wrong| {
                AppError::fault("/expiresInSeconds", "out_of_range", wrong.to_string())
            }),
        }
    }
}

/// Make a reset link.
///
/// Needs `users.resetPassword` and every permission that the account has. The link is shown once and good for one
/// `POST /auth/reset-password`. It ends the one that the account had, and ends by itself when the password or the address
/// changes or the account is disabled or deleted.
#[utoipa::path(
    operation_id = "createPasswordResetLink", tag = "users", params(("id" = UserId, Path)), request_body = NewResetLink,
    responses((status = 201, description = "Made; the token is shown once.", body = Data<ResetLink>))
)]
#[post("/api/v1/users/{id}/password-reset-link")]
async fn create_password_reset_link(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: Json<NewResetLink>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let named = [id.0.as_bytes(), &*body.raw].concat();
    let ask = Ask::new(&app.vault, "createPasswordResetLink", key.0, &named);
    let lifetime = body.lifetime()?;
    let (vault, page) = (app.vault.clone(), app.reset_page.clone());
    app.db
        .write(move |tx| {
            idempotency::once(tx, &vault, &by, &ask, |tx| {
                let link = service::create(tx, &by, &page, id, lifetime, &expected)?;
                let location = format!("/api/v1/users/{id}/password-reset-link");
                Ok((Reply::created(location, &link)?, Some(id.0)))
            })
        })
        .await
}

/// Show whether an account has a reset link that nobody has used.
///
/// Needs `users.resetPassword`. The token is not shown again; 404 when there is no such link.
#[utoipa::path(
    operation_id = "getPasswordResetLink", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, description = "There is one.", body = Data<OpenResetLink>))
)]
#[get("/api/v1/users/{id}/password-reset-link")]
async fn get_password_reset_link(
    _by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    let link = app.db.read(move |tx| service::show(tx, id)).await?;
    Reply::ok(&link)
}

/// End an account's reset link, if it has one.
///
/// Needs `users.resetPassword` and every permission that the account has.
#[utoipa::path(
    operation_id = "revokePasswordResetLink", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204, description = "There is none from now on."))
)]
#[delete("/api/v1/users/{id}/password-reset-link")]
async fn revoke_password_reset_link(
    by: Can<needs::ResetPasswords>,
    app: State,
    id: web::Path<String>,
    expected: IfMatch,
) -> Result<Reply, AppError> {
    let id = UserId::from_path(&id);
    app.db
        .write(move |tx| service::revoke(tx, &by, id, &expected))
        .await?;
    Ok(Reply::no_content())
}

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
struct ForgottenPassword {
    /// The address of an account.
    #[schema(example = "ada@example.org")]
    email: String,
}

/// Have a reset link mailed to an account's address.
///
/// The answer is the same, and takes the same time, whether anybody has the address or not. Mail is sent only to an address
/// that is confirmed, of an account that is active and has a password; the link is good for an hour.
#[utoipa::path(
    operation_id = "requestPasswordReset", tag = "auth", request_body = ForgottenPassword, security(()),
    responses((status = 202, description = "Mail is on its way, if the address is one of an account."))
)]
#[post("/api/v1/auth/request-password-reset")]
async fn request_password_reset(
    app: State,
    origin: Origin,
    body: Json<ForgottenPassword>,
) -> Result<Reply, AppError> {
    let email = Email::parse(&body.email)
        .map_err(|wrong| AppError::fault("/email", wrong.code, wrong.detail))?;
    let by = Actor::anonymous(origin);
    let mail = app.mail.clone();
    app.db
        .write(move |tx| service::request(tx, &mail, &by, &email))
        .await?;
    Ok(Reply::accepted())
}

/// A reset link's token and the password that its holder wants.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PasswordByLink {
    /// From a reset link.
    #[schema(example = "rst_rst_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    token: String,
    /// The password from now on.
    #[schema(example = "another long passphrase")]
    new_password: Password,
}

/// Set a password with a reset link.
///
/// Good once, also when many try at the same time; a password that is refused (400 `request_invalid`) does not use it up.
/// Every session of the account ends. A token that is wrong, used, replaced or expired, or whose account is not active,
/// is 400 `reset_token_invalid`.
#[utoipa::path(
    operation_id = "resetPassword", tag = "auth", request_body = PasswordByLink, security(()),
    responses((status = 204, description = "Set."))
)]
#[post("/api/v1/auth/reset-password")]
async fn reset_password(
    app: State,
    origin: Origin,
    body: Json<PasswordByLink>,
) -> Result<Reply, AppError> {
    let PasswordByLink {
        token,
        new_password,
    } = body.into_inner();
    let by = Actor::anonymous(origin);
    let (looker, presented) = (by.clone(), token.clone());
    let account = app
        .db
        .write(move |tx| service::owner(tx, &looker, &presented).map(|row| row.id))
        .await?;
    let chooser = Chooser::Account(account);
    let hash = app
        .passwords
        .choose(&app.db, chooser, new_password, "/newPassword")
        .await?;
    app.db
        .write(move |tx| service::redeem(tx, &by, &token, &hash))
        .await?;
    Ok(Reply::no_content())
}
