//! Signing in and out over HTTP.

use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::cookie::{self, RefreshCookie};
use super::model::Tokens;
use super::{others, own, service};
use crate::access::authentication::{AuthenticatedCaller, SignedIn};
use crate::access::actor::{Actor, Origin};
use crate::access::password_check::LoginIdentifier;
use crate::access::passwords::Password;
use crate::access::rate_limit::device_token;
use crate::app_state::{AppState, State};
use crate::platform::error::AppError;
use crate::platform::http::{Data, Json, Reply};

/// Mounts and documents them.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(login)
        .service(refresh)
        .service(logout)
        .configure(own::routes)
        .configure(others::routes);
}

/// Who signs in.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"username": "ada", "password": "a long enough passphrase"}))]
struct SignIn {
    /// A username, or an email address that is confirmed.
    #[schema(example = "ada")]
    username: String,
    /// The password.
    password: Password,
    /// Whether the session has the long limits.
    #[serde(default)]
    remember_me: bool,
    /// Where the refresh token goes.
    #[serde(default)]
    transport: Transport,
}

/// Where a refresh token goes.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Transport {
    /// Into the body of the answer.
    #[default]
    Body,
    /// Into a `__Host-` cookie that scripts can't read: for browser apps. Another one lets the browser be known later: then
    /// strangers who guess at the password can't keep its owner out.
    Cookie,
}

/// Sign in.
///
/// Any failure of name or password gets the same 401 in the same time. After a right password: 403 `auth_user_inactive`,
/// or `auth_password_change_required` with a `changeToken` that is good for ten minutes and only for `/auth/change-password`.
/// Too many failures for one name or from one address: 429 `rate_limited`, to a right password too.
#[utoipa::path(
    operation_id = "login", tag = "auth", request_body = SignIn, security(()),
    responses((status = 200, description = "Signed in.", body = Data<Tokens>))
)]
#[post("/api/v1/auth/login")]
async fn login(app: State, origin: Origin, body: Json<SignIn>) -> Result<Reply, AppError> {
    let SignIn {
        username,
        password,
        remember_me,
        transport,
    } = body.into_inner();
    let by = Actor::anonymous(origin.clone());
    let identity = LoginIdentifier::UsernameOrEmail(username);
    let proof = app
        .passwords
        .check_password(&app.db, &by, service::SIGN_IN, identity, password)
        .await?;
    let token_context = app.token_context.clone();
    let tokens = app
        .db
        .write(move |tx| service::sign_in(tx, &token_context, &proof, remember_me, &origin))
        .await?;
    answer(&app, tokens, transport)
}

/// The newest refresh token of a session.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Refresh {
    /// Good for one refresh; presented again within 30 s it gets the same successor, later it ends the session. Without it
    /// the cookie is used.
    refresh_token: Option<String>,
}

/// Trade a refresh token for new tokens.
///
/// A token from the cookie is answered in the cookie, and only to pages of listed origins.
#[utoipa::path(
    operation_id = "refresh", tag = "auth", request_body = Refresh, security(()),
    responses((status = 200, description = "New tokens.", body = Data<Tokens>))
)]
#[post("/api/v1/auth/refresh")]
async fn refresh(
    app: State,
    origin: Origin,
    caller: Option<AuthenticatedCaller>,
    cookie: RefreshCookie,
    body: Json<Refresh>,
) -> Result<Reply, AppError> {
    let (token, transport) = match body.into_inner().refresh_token {
        Some(token) => (token, Transport::Body),
        None => match cookie.token()? {
            Some(token) => (token, Transport::Cookie),
            None => return Err(AppError::invalid_field("/refreshToken", "required", "is required")),
        },
    };
    let token_context = app.token_context.clone();
    let tokens = app
        .db
        .write(move |tx| service::refresh(tx, &token_context, &token, caller.as_deref(), &origin))
        .await?;
    answer(&app, tokens, transport)
}

fn answer(app: &AppState, mut tokens: Tokens, transport: Transport) -> Result<Reply, AppError> {
    match transport {
        Transport::Body => Reply::ok(&tokens),
        Transport::Cookie => {
            let now = tokens.session.last_seen_at_utc;
            let lasts = tokens.refresh_token_expires_at_utc - now;
            let kept = tokens.refresh_token.take().unwrap_or_default();
            let known_by = device_token::issue(&app.vault, tokens.user.id, now);
            Ok(Reply::ok(&tokens)?
                .with_cookie(cookie::keep(&kept, lasts))
                .with_cookie(cookie::keep_device(&known_by, device_token::lifetime())))
        }
    }
}

/// Sign out: end the caller's session.
#[utoipa::path(
    operation_id = "logout", tag = "auth",
    responses((status = 204, description = "Signed out."))
)]
#[post("/api/v1/auth/logout")]
async fn logout(by: SignedIn, app: State, cookie: RefreshCookie) -> Result<Reply, AppError> {
    app.db.write(move |tx| service::log_out(tx, &by)).await?;
    let reply = Reply::no_content();
    Ok(if cookie.is_there() {
        reply.with_cookie(cookie::remove())
    } else {
        reply
    })
}
