//! Confirming an email address over HTTP. GET and HEAD confirm nothing, so a scanner that follows a link does no harm.

use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::authentication::{Actor, Origin, SignedIn};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Json, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(request_email_confirmation)
        .service(confirm_email);
}

/// Have a link mailed that confirms one's own email address.
///
/// Nothing is sent when the account has no address, or a confirmed one, or when no mail server is configured.
#[utoipa::path(
    operation_id = "requestEmailConfirmation", tag = "auth",
    responses((status = 202, description = "Mail is on its way, if there is anything to confirm."))
)]
#[post("/api/v1/auth/request-email-confirmation")]
async fn request_email_confirmation(by: SignedIn, app: State) -> Result<Reply, AppError> {
    let mail = app.mail.clone();
    app.db
        .write(move |tx| service::request(tx, &mail, &by))
        .await?;
    Ok(Reply::accepted())
}

/// What a confirmation link carries.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
struct EmailConfirmation {
    /// From a link that was mailed.
    #[schema(example = "rst_cfm_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    token: String,
}

/// Confirm an email address with the token that was mailed to it.
///
/// Good once, for a day, and for the address that it was mailed to. Any token that is not good is 400
/// `confirmation_token_invalid`.
#[utoipa::path(
    operation_id = "confirmEmail", tag = "auth", request_body = EmailConfirmation, security(()),
    responses((status = 204, description = "Confirmed."))
)]
#[post("/api/v1/auth/confirm-email")]
async fn confirm_email(
    app: State,
    origin: Origin,
    body: Json<EmailConfirmation>,
) -> Result<Reply, AppError> {
    let token = body.into_inner().token;
    let by = Actor::anonymous(origin);
    app.db
        .write(move |tx| service::confirm(tx, &by, &token))
        .await?;
    Ok(Reply::no_content())
}
