//! The middleware that finds out who is calling, before any handler runs. It refuses nobody: whether a caller is needed is
//! said by the handler's first parameter.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::rt;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};

use super::cache::{Credential, ResolvedCaller};
use super::{Actor, Origin, resolve};
use crate::access::rate_limit::device;
use crate::access::sessions;
use crate::app_state::State;
use crate::platform::db::process_clock;
use crate::platform::error::{AppError, Code};
use crate::platform::http::RequestContext;

/// Who is calling, when the request says so.
pub enum AuthenticationOutcome {
    /// Somebody whose token is good.
    Authenticated(Arc<Actor>),
    /// Somebody whose token is not; the reason for those who need a caller.
    Rejected(Code),
}

/// Looks at `Authorization: Bearer …` (RFC 6750, section 2.1; no other transport is read).
///
/// # Errors
/// When the database can't be asked; a bad token is no error here.
pub async fn identify<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if request.headers().contains_key(AUTHORIZATION) {
        let caller = match bearer(request.headers()) {
            Some(token) => find(&request, token).await?,
            None => AuthenticationOutcome::Rejected(Code::AuthTokenInvalid),
        };
        request.extensions_mut().insert(caller);
    }
    next.call(request).await
}

/// The token of the one `Authorization` header, if it is of the Bearer scheme and of a token's size.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    const LONGEST: usize = 16 * 1024;
    let mut values = headers.get_all(AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = std::str::from_utf8(value.as_bytes())
        .ok()?
        .split_once(' ')?;
    // Counted to the end, which the machine does many bytes at a time; a search that may stop early it does not.
    let strange = token.bytes().filter(|b| !b.is_ascii_graphic()).count();
    let is_token = !token.is_empty() && token.len() <= LONGEST && strange == 0;
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

/// The bearer token of the request as it was sent, for the few who read tokens of another kind.
pub struct Bearer(pub Option<String>);

impl FromRequest for Bearer {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(bearer(request.headers()).map(str::to_owned))))
    }
}

impl Origin {
    /// Where this request comes from.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let context = RequestContext::of(request);
        let device_of = request.app_data::<State>().and_then(|app| {
            let token = sessions::device_token(request.headers())?;
            device::account_of(&app.vault, &token, process_clock())
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

async fn find(request: &ServiceRequest, token: &str) -> Result<AuthenticationOutcome, AppError> {
    let Some(app) = request.app_data::<State>() else {
        return Err(AppError::internal("the application's state is not mounted"));
    };
    match look_up(app, token).await {
        Ok(caller) => {
            let actor = caller.actor(Origin::of(request.request()));
            Ok(AuthenticationOutcome::Authenticated(Arc::new(actor)))
        }
        Err(error) if error.code() == Code::AuthTokenInvalid => {
            Ok(AuthenticationOutcome::Rejected(error.code()))
        }
        Err(error) => Err(error),
    }
}

/// What a bearer token stands for at this moment.
///
/// # Errors
/// [`Code::AuthTokenInvalid`] when it is none of ours, or has ended; the database's failures.
pub async fn look_up(app: &State, token: &str) -> Result<Arc<ResolvedCaller>, AppError> {
    let presented = app.issuer.present(token)?;
    let caller = resolve_cached(app, presented.credential).await?;
    if presented.is_of(caller.principal) {
        Ok(caller)
    } else {
        Err(Code::AuthTokenInvalid.into())
    }
}

/// What the credential stands for: from memory where that is certain, else from the database.
async fn resolve_cached(
    app: &State,
    credential: Credential,
) -> Result<Arc<ResolvedCaller>, AppError> {
    let now = process_clock();
    let caller = if let Some(caller) = app.auth_cache.get(&credential, now) {
        caller
    } else {
        let fill = app.auth_cache.begin_fill();
        let read = app
            .db
            .read(move |tx| resolve::resolve(tx, &credential))
            .await?;
        let caller = Arc::new(read);
        app.auth_cache.insert(fill, credential, &caller);
        caller
    };
    if caller.is_due(now) {
        let (db, identity) = (app.db.clone(), caller.identity.clone());
        rt::spawn(async move {
            let noted = db
                .write(move |tx| Ok(resolve::record_use(tx, &identity)?))
                .await;
            if let Err(error) = noted {
                tracing::debug!(?error, "the use of a session could not be noted");
            }
        });
    }
    Ok(caller)
}
