//! Bringing accounts from elsewhere over HTTP.

use actix_web::{HttpResponse, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::{ImportLine, ImportedPassword};
use super::model::ImportResult;
use crate::access::authentication::{Can, needs};
use crate::accounts::users::service;
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{NDJSON, Ndjson, parse_json};
use crate::platform::ids::UserId;

/// Mounts and documents it.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(import_users);
}

/// Bring accounts in from elsewhere.
///
/// Needs `users.create`; direct grants need `users.managePermissions` too, and everything given must be held. A JSON
/// object a line, at most 64 MiB; the answer has a line for each, in their order. Each line is decided and done by itself:
/// one that is refused says why and stops none of the others. A username that is there already is a conflict, so the same
/// import can be sent again after it broke off.
#[utoipa::path(
    operation_id = "importUsers", tag = "users",
    request_body(content = ImportLine, content_type = "application/x-ndjson"),
    responses((status = 200, description = "What became of each line.", body = ImportResult, content_type = "application/x-ndjson"))
)]
#[post("/api/v1/users/import")]
async fn import_users(
    by: Can<needs::CreateUsers>,
    app: State,
    body: Ndjson,
) -> Result<HttpResponse, AppError> {
    let mut answer = Vec::new();
    for (number, line) in body.lines() {
        let mut result = ImportResult::of(number);
        result = match bring(&app, &by, line, &mut result).await {
            Ok(id) => result.created(id),
            Err(why) if why.code().category().aborts_batch() => return Err(why),
            Err(why) => result.refused(&why),
        };
        serde_json::to_writer(&mut answer, &result).map_err(AppError::internal)?;
        answer.push(b'\n');
    }
    Ok(HttpResponse::Ok().content_type(NDJSON).body(answer))
}

/// Makes the account of one line; what the line calls it is noted in `result`.
async fn bring(
    app: &AppState,
    by: &Can<needs::CreateUsers>,
    line: &[u8],
    result: &mut ImportResult,
) -> Result<UserId, AppError> {
    let line: ImportLine = parse_json(line)?;
    let (username, external_id) = line.names();
    result.username = Some(username);
    result.external_id = external_id;
    let (draft, secret) = line.check()?;
    let hash = match secret {
        ImportedPassword::None => None,
        ImportedPassword::Hash(hash) => Some(hash),
        ImportedPassword::Plain(password) => Some(
            app.passwords
                .validate_and_hash(&app.db, draft.password_owner(), password, "/password")
                .await?,
        ),
    };
    let by = by.clone();
    let user = app
        .db
        .write(move |tx| service::create(tx, &by, &draft, hash.as_ref()))
        .await?;
    Ok(user.id)
}
