//! Endpoints for confirming an email address. GET and HEAD confirm nothing, so that link scanners do not use up a token.

use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::service;
use crate::access::actor::{Actor, Origin};
use crate::access::authentication::SignedIn;
use crate::accounts::lifecycle;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{Json, Reply};

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(request_email_confirmation)
        .service(confirm_email);
}

/// Send a confirmation link to the caller's email address, or to the new address that the caller requested.
///
/// Nothing is sent if the account has no address, if the address is already confirmed or got five messages within the last
/// hour, or if no mail server is configured.
#[utoipa::path(
    operation_id = "requestEmailConfirmation", tag = "auth",
    responses((status = 202, description = "A message is sent if there is an address to confirm."))
)]
#[post("/api/v1/auth/request-email-confirmation")]
async fn request_email_confirmation(caller: SignedIn, app: State) -> Result<Reply, AppError> {
    let (mail, vault) = (app.mail.clone(), app.vault.clone());
    app.db
        .write(move |tx| service::request(tx, &mail, &vault, &caller))
        .await?;
    Ok(Reply::accepted())
}

/// The token of a confirmation link.
#[derive(Deserialize, ToSchema, Validate)]
#[schema(as = ConfirmEmailRequest)]
#[serde(deny_unknown_fields)]
struct ConfirmEmailRequest {
    /// The token from the link.
    #[schema(example = "rst_cfm_kJ3v0l6m0Yx1Jc7o8mQ2wq9cE8Vb3h5rT0aLr7uXb4E")]
    token: String,
}

/// Confirm an email address with the token that was sent to it.
///
/// The token is valid once, for one day, and only for the address that it was sent to. Every invalid token is answered
/// with 400 `confirmation_token_invalid`; too many from one source or network with 429 `rate_limited`.
#[utoipa::path(
    operation_id = "confirmEmail", tag = "auth", request_body = ConfirmEmailRequest, security(()),
    responses((status = 204, description = "The address is confirmed."))
)]
#[post("/api/v1/auth/confirm-email")]
async fn confirm_email(
    app: State,
    origin: Origin,
    body: Json<ConfirmEmailRequest>,
) -> Result<Reply, AppError> {
    let token = body.into_inner().token;
    let actor = Actor::anonymous(origin);
    app.db
        .write(move |tx| lifecycle::service::confirm_email(tx, &actor, &token))
        .await?;
    Ok(Reply::no_content())
}
