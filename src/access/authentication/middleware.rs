//! The middleware that authenticates requests. It rejects no request: the first parameter of a handler states whether
//! it needs a caller.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::rt;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use serde_json::{Value, json};

use super::access_token::VerifiedBearer;
use super::audience::Audience;
use super::outcome::AuthenticationOutcome;
use super::{Credential, ResolvedCaller, resolve};
use crate::access::actor::{Identity, Origin, Principal};
use crate::access::rate_limit::device_token;
use crate::access::{clients, sessions, tokens};
use crate::app_state::State;
use crate::audit::{self, AuditEntry, Subject};
use crate::platform::clock;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code};
use crate::platform::http::RequestContext;

/// Authenticates the bearer token of the `Authorization` header (RFC 6750, section 2.1; other transports are not supported).
///
/// # Errors
/// When the database cannot be read. An invalid token is not an error here.
pub async fn authenticate<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if request.headers().contains_key(AUTHORIZATION) {
        let outcome = match bearer_token(request.headers()) {
            Some(token) => authenticate_token(&request, token).await?,
            None => AuthenticationOutcome::Rejected(Code::AuthTokenInvalid),
        };
        request.extensions_mut().insert(outcome);
    }
    let response = next.call(request).await?;
    record_missing_permission(&response).await;
    Ok(response)
}

/// Records a request that was denied because the caller lacks a permission, unless the operation recorded it. At most ten per
/// minute and caller are recorded; the next one contains the number of those that were not.
async fn record_missing_permission<B>(response: &ServiceResponse<B>) {
    let error = response.response().error();
    let error = error.and_then(|error| error.as_error::<AppError>());
    let Some(error) = error.filter(|error| error.code() == Code::PermissionRequired) else {
        return;
    };
    let request = response.request();
    let caller = match request.extensions().get::<AuthenticationOutcome>() {
        Some(AuthenticationOutcome::Authenticated(actor)) => Arc::clone(actor),
        _ => return,
    };
    let (Some(app), Some(principal)) =
        (request.app_data::<State>(), Principal::of(&caller.identity))
    else {
        return;
    };
    if error.is_recorded() {
        return;
    }
    let Some(omitted) = app.refusal_log.admit(principal, clock::now()) else {
        return;
    };
    let details = json!({
        "method": request.method().as_str(),
        "route": request.match_pattern(),
        "omittedBefore": omitted,
    });
    let recorded = app.db.write(move |tx| {
        let entry = AuditEntry::new("request.deny", Subject::None)
            .with_change(Value::Null, details.clone());
        audit::record_denied(tx, &caller, entry, Code::PermissionRequired)?;
        Ok(())
    });
    if let Err(error) = recorded.await {
        tracing::error!(
            ?error,
            "cannot record a request without the required permission"
        );
    }
}

/// The token of the `Authorization` header, if there is exactly one with the Bearer scheme and a plausible length.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    const MAX_LENGTH: usize = 16 * 1024;
    let mut values = headers.get_all(AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = std::str::from_utf8(value.as_bytes())
        .ok()?
        .split_once(' ')?;
    // Counting all bytes is vectorized by the compiler; a search that can stop early is not.
    let invalid = token.bytes().filter(|b| !b.is_ascii_graphic()).count();
    let is_token = !token.is_empty() && token.len() <= MAX_LENGTH && invalid == 0;
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

/// The bearer token as it was sent, for handlers that accept another kind of token.
pub struct BearerToken(pub Option<String>);

impl FromRequest for BearerToken {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(bearer_token(request.headers()).map(str::to_owned))))
    }
}

impl Origin {
    /// The origin of this request.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let context = RequestContext::for_request(request);
        let device_of = request.app_data::<State>().and_then(|app| {
            let token = sessions::device_token(request.headers())?;
            device_token::verify(&app.vault, &token, clock::now())
        });
        Self {
            device_of,
            ip: Some(context.ip),
            user_agent: context.user_agent,
            trace_id: Some(context.trace_id),
        }
    }
}

impl FromRequest for Origin {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

async fn authenticate_token(
    request: &ServiceRequest,
    token: &str,
) -> Result<AuthenticationOutcome, AppError> {
    let Some(app) = request.app_data::<State>() else {
        return Err(AppError::internal("the application state is missing"));
    };
    let source = RequestContext::for_request(request.request()).ip;
    match resolve_token(app, token, Some(source)).await {
        Ok((caller, audience)) => {
            let actor = Arc::new(caller.actor(Origin::of(request.request())));
            Ok(match audience {
                Audience::Service => AuthenticationOutcome::Authenticated(actor),
                Audience::App(_) => AuthenticationOutcome::AuthenticatedForApp(actor, audience),
            })
        }
        Err(error) if error.code() == Code::AuthTokenInvalid => {
            Ok(AuthenticationOutcome::Rejected(error.code()))
        }
        Err(error) => Err(error),
    }
}

/// The caller of a bearer token, and the audience of the token. `source` sent the token; `None` if it is not limited in
/// looking up tokens that do not exist.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when the token is invalid or has expired; [`Code::RateLimited`] when the source has looked up too
/// many tokens that do not exist; database errors.
pub async fn resolve_token(
    app: &State,
    token: &str,
    source: Option<IpAddr>,
) -> Result<(Arc<ResolvedCaller>, Audience), AppError> {
    let verified = app.issuer.verify_bearer(token)?;
    let caller = resolve_cached(app, &verified, source).await?;
    if verified.may_belong_to(caller.principal) {
        Ok((caller, verified.audience))
    } else {
        Err(Code::AuthTokenInvalid.into())
    }
}

/// The caller of a bearer token: from the cache if it has a lease, else from the database.
async fn resolve_cached(
    app: &State,
    bearer: &VerifiedBearer,
    source: Option<IpAddr>,
) -> Result<Arc<ResolvedCaller>, AppError> {
    let credential = bearer.credential;
    let now = clock::now();
    let caller = if let Some(caller) = app.auth_cache.get(&credential, now) {
        caller
    } else {
        let fill = app.auth_cache.begin_fill();
        let caller = Arc::new(read_caller(app, bearer.clone(), source).await?);
        app.auth_cache.insert(fill, credential, &caller);
        caller
    };
    if caller.must_record_use(now) {
        let identity = caller.identity.clone();
        write_in_background(app, move |tx| record_use(tx, &identity));
    }
    if let (Some(issued_at), Credential::Session(session)) = (bearer.issued_at, credential)
        && caller.must_record_first_use(issued_at)
    {
        write_in_background(app, move |tx| {
            sessions::service::record_access_token_use(tx, session, issued_at)
        });
    }
    Ok(caller)
}

/// Records the use of a credential without delaying the response. A use that could not be recorded is recorded later: the
/// cached caller is read again after some seconds.
fn write_in_background(
    app: &State,
    work: impl Fn(&mut Tx<'_>) -> Result<(), AppError> + Send + 'static,
) {
    let db = app.db.clone();
    rt::spawn(async move {
        if let Err(error) = db.write(move |tx| Ok(work(tx)?)).await {
            tracing::debug!(?error, "could not record the use of a credential");
        }
    });
}

/// The caller of a bearer token, from the database.
async fn read_caller(
    app: &State,
    bearer: VerifiedBearer,
    source: Option<IpAddr>,
) -> Result<ResolvedCaller, AppError> {
    let credential = bearer.credential;
    if let Credential::Token(digest) = &credential {
        app.unknown_tokens.check(digest, source, Instant::now())?;
    }
    let read = move |tx: &mut Tx<'_>| resolve::resolve_bearer(tx, &bearer);
    let caller = app.db.read(read).await?;
    match (&caller, credential) {
        (Some(_), Credential::Token(digest)) => app.unknown_tokens.record_found(digest),
        (None, Credential::Token(digest)) => {
            app.unknown_tokens
                .record_unknown(digest, source, Instant::now());
        }
        (_, Credential::Session(_) | Credential::Client(_)) => {}
    }
    caller.ok_or_else(|| Code::AuthTokenInvalid.into())
}

/// Sets the time at which the credential was last used.
fn record_use(tx: &mut Tx<'_>, identity: &Identity) -> Result<(), AppError> {
    match identity {
        Identity::User { session, .. } => sessions::service::record_use(tx, *session),
        Identity::Token { id, .. } => tokens::service::record_use(tx, *id),
        Identity::Client { id, .. } => clients::service::record_use(tx, *id),
        Identity::Operator { .. } | Identity::System | Identity::Anonymous => Ok(()),
    }
}
