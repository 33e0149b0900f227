//! The endpoint that imports accounts.

use actix_web::{HttpResponse, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::input::ImportLine;
use super::model::ImportResult;
use super::run::Import;
use crate::access::authentication::{Can, needs};
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{NDJSON, NdjsonRequestBody};

/// Registers the endpoint and its documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(import_users);
}

/// Import users.
///
/// Needs `users.create`; direct grants also need `users.managePermissions`, and the caller must hold everything it grants. The
/// body has one JSON object per line, at most 256 KiB per line and 64 MiB in total. The response has one line for each, in the
/// same order, which is sent as soon as the line has been processed. Each line is checked and created separately: a refused
/// line has an error code in its result and does not affect the others. If the service becomes unavailable or the caller's
/// token ends, the response ends after the result of that line, without the final chunk. A username that exists is a conflict,
/// so an interrupted import can be sent again.
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
    let results = Import::new(app, caller, body).run().await?;
    Ok(HttpResponse::Ok().content_type(NDJSON).streaming(results))
}
