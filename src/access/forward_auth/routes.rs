//! The HTTP endpoint for forward authentication. It does not query the database while the caller is cached.

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, get};
use chrono::TimeDelta;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::actor::{Identity, PermissionSet, Principal};
use crate::access::authentication::{Audience, AuthenticatedCaller, TokenHolder};
use crate::accounts::roles;
use crate::app_state::{AppState, State};
use crate::platform::clock;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{FromQuery, InvalidQuery, Query, QueryReader};

const USER_ID: HeaderName = HeaderName::from_static("x-roster-user-id");
const USERNAME: HeaderName = HeaderName::from_static("x-roster-username");
const ROLE: HeaderName = HeaderName::from_static("x-roster-role");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-roster-permissions");
const PERMISSIONS_OMITTED: HeaderName = HeaderName::from_static("x-roster-permissions-omitted");

/// The maximum length of the header with the permissions. nginx answers 502 when the head of the response exceeds
/// `proxy_buffer_size`, which is 4 KiB by default.
const MAX_PERMISSIONS_BYTES: usize = 2048;

const TOKEN_KIND: HeaderName = HeaderName::from_static("x-roster-token-kind");

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
    /// The caller must have signed in at most this many seconds ago (RFC 9470).
    #[param(rename = "maxAge", value_type = Option<u32>, example = 300)]
    max_age: Option<u32>,
    /// `mfa`: the caller must have signed in with two factors (RFC 9470). In this release, no sign-in has two.
    #[param(inline, example = "mfa")]
    acr: Option<RequiredAcr>,
    /// The audience of the application, one of `ROSTERD_APP_AUDIENCES` or `ROSTERD_AUDIENCE`: tokens for others are rejected.
    /// Repeat the parameter to accept several. Default: `ROSTERD_AUDIENCE`.
    #[param(required = false, example = json!(["https://photos.example.org"]))]
    audience: Vec<String>,
}

/// The authentication context that the caller must have.
#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "camelCase")]
enum RequiredAcr {
    /// Two factors.
    Mfa,
}

impl FromQuery for VerifyQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            permission: params.take_all("permission"),
            max_age: params.take("maxAge"),
            acr: params.take_with("acr", |text| match text {
                "mfa" => Ok(RequiredAcr::Mfa),
                _ => Err(("invalid_value", "must be mfa")),
            }),
            audience: params.take_all("audience"),
        })
    }
}

/// Verify the caller of a proxied request.
///
/// For nginx `auth_request`, Caddy `forward_auth` and Traefik `forwardAuth`. 200 with `X-Roster-User-Id`, `X-Roster-Username`,
/// `X-Roster-Role`, `X-Roster-Permissions` (separated by commas) and `X-Roster-Token-Kind` (`session`, `personal` or `client`),
/// 401 without a valid token, 403 if the caller does not hold a required permission (no caller holds a name that is not in the
/// catalogue), or did not sign in recently enough or with two factors, which a program never does. The role is empty for a
/// service client, and for a personal access token with fewer permissions than its owner. If the permissions take more than
/// 2 KiB, `X-Roster-Permissions-Omitted: true` is sent with an empty list; `permission` then checks a single one. For a
/// service client, the user id and the username are `client:` followed by the client's id. With `audience`, a token for another
/// application is 401.
#[utoipa::path(
    operation_id = "verifyCaller", tag = "auth", params(VerifyQuery),
    responses((
        status = 200, description = "The caller, in response headers.",
        headers(
            ("X-Roster-User-Id" = String, description = "The id of the account, or `client:` and the id of the service client."),
            ("X-Roster-Username" = String, description = "The username, or `client:` and the id of the service client."),
            ("X-Roster-Role" = String, description = "The role; empty for programs with fewer permissions."),
            ("X-Roster-Permissions" = String, description = "The permissions, separated by commas."),
            ("X-Roster-Permissions-Omitted" = String, description = "`true` if the permissions are too long for a header."),
            ("X-Roster-Token-Kind" = String, description = "`session`, `personal` or `client`."),
        )
    ))
)]
#[get("/api/v1/auth/verify")]
async fn verify(
    holder: TokenHolder,
    app: State,
    query: Query<VerifyQuery>,
) -> Result<HttpResponse, AppError> {
    let caller = holder.for_audience(&accepted_audiences(&app, &query.audience)?)?;
    let permissions = match &caller.authority.permissions {
        PermissionSet::Only(names) => join_with_commas(names),
        PermissionSet::All => all_permissions(&app).await?,
    };
    let is_held =
        |name: &String| !name.is_empty() && permissions.split(',').any(|held| held == name);
    if !query.permission.iter().all(is_held) {
        // The proxy asked about a permission of its app; nothing of this service was refused.
        return Err(AppError::new(Code::PermissionRequired).recorded());
    }
    check_sign_in(&caller, &query)?;
    respond(&caller, &permissions)
}

/// The audiences with these names, or that of the service.
fn accepted_audiences(app: &AppState, names: &[String]) -> Result<Vec<Audience>, AppError> {
    if names.is_empty() {
        return Ok(vec![Audience::Service]);
    }
    let find = |name: &String| {
        app.issuer.audiences().find(name).ok_or_else(|| {
            let detail = "is neither in ROSTERD_APP_AUDIENCES nor ROSTERD_AUDIENCE";
            AppError::invalid_field("?audience", "invalid_value", detail)
        })
    };
    names.iter().map(find).collect()
}

/// Checks the age and the factors of the sign-in.
fn check_sign_in(caller: &AuthenticatedCaller, query: &VerifyQuery) -> Result<(), AppError> {
    if let Some(max_age) = query.max_age {
        let age = caller
            .credential
            .authenticated_at
            .map(|at| clock::now() - at);
        if age.is_none_or(|age| age > TimeDelta::seconds(i64::from(max_age))) {
            let error = AppError::new(Code::AuthReauthenticationRequired);
            return Err(error.with_extension("maxAgeSeconds", max_age));
        }
    }
    match query.acr {
        // Sign-ins have one factor, the password.
        Some(RequiredAcr::Mfa) => Err(Code::AuthMfaRequired.into()),
        None => Ok(()),
    }
}

/// What kind of credential the caller has, for applications that treat programs and people differently.
const fn token_kind(identity: &Identity) -> &'static str {
    match identity {
        Identity::Token { .. } => "personal",
        Identity::Client { .. } => "client",
        Identity::User { .. }
        | Identity::Operator { .. }
        | Identity::System
        | Identity::Anonymous => "session",
    }
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
    // The list is sent empty and not left out: a proxy that copies only present headers would pass on the caller's own.
    let permissions = if permissions.len() <= MAX_PERMISSIONS_BYTES {
        permissions
    } else {
        response.insert_header((PERMISSIONS_OMITTED, HeaderValue::from_static("true")));
        ""
    };
    for (name, value) in [
        (USERNAME, username.unwrap_or_default()),
        (USER_ID, id.as_deref().unwrap_or_default()),
        (ROLE, caller.shown_role()),
        (TOKEN_KIND, token_kind(&caller.identity)),
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
