//! Endpoints that sign in, refresh the tokens and sign out.

use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use super::model::Tokens;
use super::service::SessionOptions;
use super::token_cookies::{self, RefreshCookie};
use super::{own_sessions, service, session_admin, session_replacement, token_refresh};
use crate::access::actor::{Actor, Origin, Principal};
use crate::access::authentication::middleware::BearerToken;
use crate::access::authentication::{Audience, TokenHolder};
use crate::access::password_check::{LoginIdentifier, PasswordCheckResult};
use crate::access::passwords::Password;
use crate::access::rate_limit::device_token;
use crate::app_state::{AppState, State};
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::http::{Data, Json, Reply};
use crate::platform::ids::SessionId;

/// Registers the endpoints and their documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(login)
        .service(refresh)
        .service(logout)
        .configure(own_sessions::routes)
        .configure(session_admin::routes);
}

/// The body of a sign-in request.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LoginRequest)]
#[schema(example = json!({"username": "ada", "password": "a long enough passphrase"}))]
struct LoginRequest {
    /// A username, or a confirmed email address.
    #[schema(example = "ada")]
    username: String,
    /// The password.
    password: Password,
    /// Whether the session lasts longer. Default: false.
    #[serde(default)]
    remember_me: bool,
    /// The application for which the access tokens of the session are valid, one of `ROSTERD_APP_AUDIENCES` (RFC 8707). They
    /// are then not accepted by other applications, nor by this API. Default: the service itself.
    #[schema(example = "https://photos.example.org")]
    resource: Option<String>,
    /// How the refresh token is returned.
    #[serde(default)]
    transport: Transport,
}

/// How a refresh token is returned.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TokenTransport)]
enum Transport {
    /// In the response body.
    #[default]
    Body,
    /// In a `__Host-` cookie that scripts cannot read, for browser applications. A second cookie identifies the device, so
    /// that wrong passwords from other devices do not lock out the account's owner. Only pages of allowed origins may ask for it.
    Cookie,
}

/// Sign in.
///
/// A wrong username and a wrong password get the same 401 in the same time. After a correct password: 403
/// `auth_user_inactive` for a disabled or expired account; 403 `auth_email_not_confirmed` for an account whose owner registered
/// and has not confirmed the email address; 403 `auth_password_change_required` with a `changeToken`, which
/// permits only `/auth/change-password`, for ten minutes. With the cookie transport, 403 `cross_site_forbidden` for a page of another
/// origin. Too many failures for one name or from one address: 429 `rate_limited`, also for a correct password. The session of
/// a refresh token cookie that was sent ends.
#[utoipa::path(
    operation_id = "login", tag = "auth", request_body = LoginRequest, security(()),
    responses((status = 200, description = "Signed in.", body = Data<Tokens>,
        headers(("Set-Cookie" = String, description = "The refresh token, if `transport` is `cookie`."))))
)]
#[post("/api/v1/auth/login")]
async fn login(
    app: State,
    origin: Origin,
    cookie: RefreshCookie,
    body: Json<LoginRequest>,
) -> Result<Reply, AppError> {
    let request = body.into_inner();
    let (options, transport) = (session_options(&app, &request)?, request.transport);
    if transport == Transport::Cookie {
        cookie.check_origin()?;
    }
    let check = check_password(&app, &origin, request.username, request.password).await?;
    // A page of another site must not end the session.
    let (token_context, previous) = (app.token_context.clone(), cookie.token().ok().flatten());
    let sign_in = move |tx: &mut Tx<'_>| {
        let previous = previous.as_deref();
        session_replacement::sign_in(tx, &token_context, &check, &options, &origin, previous)
    };
    to_reply(&app, app.db.write(sign_in).await?, transport)
}

fn session_options(app: &AppState, request: &LoginRequest) -> Result<SessionOptions, AppError> {
    Ok(SessionOptions {
        remember_me: request.remember_me,
        audience: find_audience(app, request.resource.as_deref())?.unwrap_or(Audience::Service),
    })
}

/// The audience that a request names in `resource`, if it names one.
fn find_audience(app: &AppState, name: Option<&str>) -> Result<Option<Audience>, AppError> {
    name.map(|name| app.issuer.audiences().find_resource(name))
        .transpose()
}

async fn check_password(
    app: &AppState,
    origin: &Origin,
    username: String,
    password: Password,
) -> Result<PasswordCheckResult, AppError> {
    let caller = Actor::anonymous(origin.clone());
    let identifier = LoginIdentifier::UsernameOrEmail(username);
    app.passwords
        .check_password(&app.db, &caller, service::SIGN_IN, identifier, password)
        .await
}

/// The body of a refresh request.
#[derive(Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RefreshRequest)]
struct RefreshRequest {
    /// The refresh token, for one use. Used again until 30 seconds after the first use of the new access token, it returns the
    /// same successor; after that, it ends the session. If absent, the cookie is used.
    refresh_token: Option<String>,
    /// The application for which the next access token is valid, one of `ROSTERD_APP_AUDIENCES` (RFC 8707). Default: that of
    /// the session. A session that began with a `resource` gets tokens for that one only.
    #[schema(example = "https://photos.example.org")]
    resource: Option<String>,
}

/// Refresh the tokens of a session.
///
/// A refresh token from the cookie is replaced in the cookie, and only for pages of allowed origins.
#[utoipa::path(
    operation_id = "refresh", tag = "auth", request_body = RefreshRequest, security(()),
    responses((status = 200, description = "The new tokens.", body = Data<Tokens>,
        headers(("Set-Cookie" = String, description = "The new refresh token, if the request sent the old one as a cookie."))))
)]
#[post("/api/v1/auth/refresh")]
async fn refresh(
    app: State,
    origin: Origin,
    caller: Option<TokenHolder>,
    cookie: RefreshCookie,
    body: Json<RefreshRequest>,
) -> Result<Reply, AppError> {
    let request = body.into_inner();
    let audience = find_audience(&app, request.resource.as_deref())?;
    let (token, transport) = refresh_token(request, cookie)?;
    let token_context = app.token_context.clone();
    let refresh = move |tx: &mut Tx<'_>| {
        let (audience, caller) = (audience.as_ref(), caller.as_deref());
        token_refresh::refresh(tx, &token_context, &token, audience, caller, &origin)
    };
    to_reply(&app, app.db.write(refresh).await?, transport)
}

/// The refresh token of the body or else of the cookie, and where its successor is returned.
fn refresh_token(
    request: RefreshRequest,
    cookie: RefreshCookie,
) -> Result<(String, Transport), AppError> {
    if let Some(token) = request.refresh_token {
        return Ok((token, Transport::Body));
    }
    cookie
        .token()?
        .map(|token| (token, Transport::Cookie))
        .ok_or_else(|| AppError::invalid_field("/refreshToken", "required", "is required"))
}

fn to_reply(app: &AppState, mut tokens: Tokens, transport: Transport) -> Result<Reply, AppError> {
    match transport {
        Transport::Body => Reply::ok(&tokens),
        Transport::Cookie => {
            let now = tokens.session.last_seen_at_utc;
            let max_age = tokens.refresh_token_expires_at_utc - now;
            let refresh_token = tokens.refresh_token.take().unwrap_or_default();
            let device_token = device_token::issue(&app.vault, tokens.user.id, now);
            let device_max_age = device_token::lifetime();
            Ok(Reply::ok(&tokens)?
                .with_cookie(token_cookies::set_refresh_token(&refresh_token, max_age))
                .with_cookie(token_cookies::set_device_token(
                    &device_token,
                    device_max_age,
                )))
        }
    }
}

/// Sign out.
///
/// Ends the session of the request. The answer is also 204 if the session has already ended. An access token for an
/// application is accepted too.
#[utoipa::path(
    operation_id = "logout", tag = "auth",
    responses((status = 204, description = "Signed out.",
        headers(("Set-Cookie" = String, description = "Removes the cookie with the refresh token."))))
)]
#[post("/api/v1/auth/logout")]
async fn logout(
    caller: Result<TokenHolder, AppError>,
    bearer: BearerToken,
    app: State,
    cookie: RefreshCookie,
) -> Result<Reply, AppError> {
    match caller.and_then(TokenHolder::signed_in) {
        Ok(caller) => {
            app.db
                .write(move |tx| service::log_out(tx, &caller))
                .await?;
        }
        Err(error) => log_out_again(&app, error, bearer).await?,
    }
    let reply = Reply::no_content();
    Ok(if cookie.is_present() {
        reply.with_cookie(token_cookies::remove_refresh_token())
    } else {
        reply
    })
}

/// Accepts the access token of a session that has ended, because a client may repeat a sign-out.
///
/// # Errors
/// The error of the authentication, unless the token is valid and its session has ended.
async fn log_out_again(
    app: &AppState,
    error: AppError,
    bearer: BearerToken,
) -> Result<(), AppError> {
    let is_rejected = error.code() == Code::AuthTokenInvalid;
    let token = bearer.0.filter(|_| is_rejected);
    let claims = token.and_then(|token| app.issuer.verify(&token).ok());
    match claims {
        Some(claims) if matches!(claims.sub, Principal::User(_)) => {
            let session = SessionId(claims.sid);
            app.db
                .write(move |tx| Ok(session_replacement::check_ended(tx, session)?))
                .await
        }
        _ => Err(error),
    }
}
