//! Forward authentication over HTTP. Nothing is read from the database while callers are known from memory.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, get};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::authentication::{AuthenticatedCaller, Identity, Principal};
use crate::accounts::roles::{self, PermissionSet};
use crate::app_state::{AppState, State};
use crate::platform::error::{AppError, Code};
use crate::platform::http::{FromQuery, Noted, Params, Query};

const USER_ID: HeaderName = HeaderName::from_static("x-roster-user-id");
const USERNAME: HeaderName = HeaderName::from_static("x-roster-username");
const ROLE: HeaderName = HeaderName::from_static("x-roster-role");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-roster-permissions");

/// Mounts and documents it.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(verify);
}

/// What the caller must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Demand {
    /// A permission that is needed; given more than once, all of them are.
    #[param(required = false)]
    permission: Vec<String>,
}

impl FromQuery for Demand {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        Ok(Self {
            permission: params.take_many("permission"),
        })
    }
}

/// Verify a caller for a proxy.
///
/// For nginx `auth_request`, Caddy `forward_auth` and Traefik `forwardAuth`: 200 with `X-Roster-User-Id`, `X-Roster-Username`,
/// `X-Roster-Role` and `X-Roster-Permissions` (separated by commas), 401 without a good token, 403 when a permission is not held.
/// A service client is `client:` and its id in the first two, and has no role.
#[utoipa::path(
    operation_id = "verifyCaller", tag = "auth", params(Demand),
    responses((status = 200, description = "The caller, in headers."))
)]
#[get("/api/v1/auth/verify")]
async fn verify(
    by: AuthenticatedCaller,
    app: State,
    require: Query<Demand>,
) -> Result<HttpResponse, AppError> {
    let permissions = &by.authority.permissions;
    if require.permission.iter().any(|name| !permissions.has(name)) {
        return Err(Code::PermissionRequired.into());
    }
    let permissions = match permissions {
        PermissionSet::Only(names) => joined(names),
        PermissionSet::All => catalogue(&app).await?,
    };
    let id = Principal::of(&by.identity).map(|id| id.to_string());
    // A client may be called as an account is.
    let username = match &by.identity {
        Identity::Client { .. } => id.as_deref(),
        _ => by.username.as_deref(),
    };
    let mut answer = HttpResponse::Ok();
    for (name, value) in [
        (USERNAME, username.unwrap_or_default()),
        (USER_ID, id.as_deref().unwrap_or_default()),
        (ROLE, &by.authority.role),
        (PERMISSIONS, &permissions),
    ] {
        let value = HeaderValue::from_str(value).map_err(AppError::internal)?;
        answer.insert_header((name, value));
    }
    Ok(answer.finish())
}

/// Every permission that there is: from memory where that is certain, else from the database.
async fn catalogue(app: &AppState) -> Result<Arc<str>, AppError> {
    if let Some(line) = app.auth_cache.get_catalogue() {
        return Ok(line);
    }
    let fill = app.auth_cache.begin_fill();
    let names = app.db.read(roles::service::catalogue_names).await?;
    let line = joined(&names);
    app.auth_cache.insert_catalogue(fill, Arc::clone(&line));
    Ok(line)
}

fn joined<'a>(names: impl IntoIterator<Item = &'a String>) -> Arc<str> {
    let mut line = String::new();
    for name in names {
        if !line.is_empty() {
            line.push(',');
        }
        line.push_str(name);
    }
    line.into()
}
