//! The endpoint that imports accounts.

use actix_web::{HttpResponse, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::{ImportLine, ImportedPassword};
use super::model::ImportResult;
use crate::access::authentication::{Can, needs};
use crate::accounts::user_admin::initial_password::hash_initial_password;
use crate::accounts::users::service;
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{NDJSON, NdjsonRequestBody, parse_json};
use crate::platform::ids::UserId;

/// Registers the endpoint and its documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(import_users);
}

/// Import users.
///
/// Needs `users.create`; direct grants also need `users.managePermissions`, and the caller must hold everything it grants. The
/// body has one JSON object per line and at most 64 MiB. The response has one line for each, in the same order. Each line is
/// checked and created separately: a refused line has an error code in its result and does not affect the others. A username
/// that exists is a conflict, so an interrupted import can be sent again.
#[utoipa::path(
    operation_id = "importUsers", tag = "users",
    request_body(content = ImportLine, content_type = "application/x-ndjson"),
    responses((status = 200, description = "The result of each line.", body = ImportResult, content_type = "application/x-ndjson"))
)]
#[post("/api/v1/users/import")]
async fn import_users(
    caller: Can<needs::CreateUsers>,
    app: State,
    body: NdjsonRequestBody,
) -> Result<HttpResponse, AppError> {
    let mut response = Vec::new();
    for (number, line) in body.lines() {
        let mut result = ImportResult::new(number);
        result = match import_line(&app, &caller, line, &mut result).await {
            Ok(id) => result.created(id),
            Err(error) if error.code().category().aborts_batch() => return Err(error),
            Err(error) => result.refused(&error),
        };
        serde_json::to_writer(&mut response, &result).map_err(AppError::internal)?;
        response.push(b'\n');
    }
    Ok(HttpResponse::Ok().content_type(NDJSON).body(response))
}

/// Creates the account of one line. Sets the username and external id of `result`.
async fn import_line(
    app: &AppState,
    caller: &Can<needs::CreateUsers>,
    line: &[u8],
    result: &mut ImportResult,
) -> Result<UserId, AppError> {
    let line: ImportLine = parse_json(line)?;
    let (username, external_id) = line.identifiers();
    result.username = Some(username);
    result.external_id = external_id;
    let (draft, password) = line.check()?;
    let hash = match password {
        ImportedPassword::None => None,
        ImportedPassword::Hash(hash) => Some(hash),
        ImportedPassword::Plain(password) => {
            hash_initial_password(app, &draft, Some(password)).await?
        }
    };
    let caller = caller.clone();
    let user = app
        .db
        .write(move |tx| service::create(tx, &caller, &draft, hash.as_ref()))
        .await?;
    Ok(user.id)
}
