//! The HTTP endpoint for forward authentication. It does not query the database while the caller is cached.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, get};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::actor::{Identity, PermissionSet, Principal};
use crate::access::authentication::AuthenticatedCaller;
use crate::accounts::roles;
use crate::app_state::{AppState, State};
use crate::platform::error::{AppError, Code};
use crate::platform::http::{FromQuery, InvalidQuery, Query, QueryReader};

const USER_ID: HeaderName = HeaderName::from_static("x-roster-user-id");
const USERNAME: HeaderName = HeaderName::from_static("x-roster-username");
const ROLE: HeaderName = HeaderName::from_static("x-roster-role");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-roster-permissions");

/// Registers the routes and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(verify);
}

/// The requirements on the caller.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct VerifyQuery {
    /// A permission that the caller must hold. Repeat the parameter to require several.
    #[param(required = false)]
    permission: Vec<String>,
}

impl FromQuery for VerifyQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            permission: params.take_all("permission"),
        })
    }
}

/// Verify the caller of a proxied request.
///
/// For nginx `auth_request`, Caddy `forward_auth` and Traefik `forwardAuth`. 200 with `X-Roster-User-Id`, `X-Roster-Username`,
/// `X-Roster-Role` and `X-Roster-Permissions` (separated by commas), 401 without a valid token, 403 if the caller does not hold
/// a required permission. For a service client, the user id and the username are `client:` followed by the client's id, and the
/// role is empty.
#[utoipa::path(
    operation_id = "verifyCaller", tag = "auth", params(VerifyQuery),
    responses((status = 200, description = "The caller, in response headers."))
)]
#[get("/api/v1/auth/verify")]
async fn verify(
    caller: AuthenticatedCaller,
    app: State,
    query: Query<VerifyQuery>,
) -> Result<HttpResponse, AppError> {
    let held = &caller.authority.permissions;
    if query.permission.iter().any(|name| !held.has(name)) {
        return Err(Code::PermissionRequired.into());
    }
    let permissions = match held {
        PermissionSet::Only(names) => join_with_commas(names),
        PermissionSet::All => all_permissions(&app).await?,
    };
    respond(&caller, &permissions)
}

/// The response with the caller in its headers.
fn respond(caller: &AuthenticatedCaller, permissions: &str) -> Result<HttpResponse, AppError> {
    let id = Principal::of(&caller.identity).map(|id| id.to_string());
    // A client's name is not sent as the username, because an account may have the same name.
    let username = match &caller.identity {
        Identity::Client { .. } => id.as_deref(),
        _ => caller.username.as_deref(),
    };
    let mut response = HttpResponse::Ok();
    for (name, value) in [
        (USERNAME, username.unwrap_or_default()),
        (USER_ID, id.as_deref().unwrap_or_default()),
        (ROLE, &caller.authority.role),
        (PERMISSIONS, permissions),
    ] {
        let value = HeaderValue::from_str(value).map_err(AppError::internal)?;
        response.insert_header((name, value));
    }
    Ok(response.finish())
}

/// All permissions of the catalogue, separated by commas: from the cache, or else from the database.
async fn all_permissions(app: &AppState) -> Result<Arc<str>, AppError> {
    if let Some(names) = app.auth_cache.get_catalogue() {
        return Ok(names);
    }
    let fill = app.auth_cache.begin_fill();
    let names = app.db.read(roles::service::catalogue_names).await?;
    let names = join_with_commas(&names);
    app.auth_cache.insert_catalogue(fill, Arc::clone(&names));
    Ok(names)
}

fn join_with_commas<'a>(names: impl IntoIterator<Item = &'a String>) -> Arc<str> {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.join(",").into()
}
