//! The middleware that finds out who is calling, before any handler runs. It refuses nobody: whether a caller is needed is
//! said by the handler's first parameter.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use super::{Actor, Origin, service};
use crate::app::App;
use crate::error::{AppError, Code};

/// Who is calling, when the request says so.
pub enum Caller {
    /// Somebody whose token is good.
    Known(Arc<Actor>),
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
        let caller = match bearer(&request) {
            Some(token) => find(&request, token).await?,
            None => Caller::Rejected(Code::AuthTokenInvalid),
        };
        request.extensions_mut().insert(caller);
    }
    next.call(request).await
}

/// The token of the one `Authorization` header, if it is of the Bearer scheme and of a token's size.
fn bearer(request: &ServiceRequest) -> Option<&str> {
    const LONGEST: usize = 16 * 1024;
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let is_token = !token.is_empty() && token.len() <= LONGEST && token.bytes().all(|b| b.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

async fn find(request: &ServiceRequest, token: &str) -> Result<Caller, AppError> {
    let Some(app) = request.app_data::<actix_web::web::Data<App>>() else {
        return Err(AppError::internal("the application's state is not mounted"));
    };
    let Ok(session) = app.issuer.verify(token) else {
        return Ok(Caller::Rejected(Code::AuthTokenInvalid));
    };
    let origin = Origin::of(request.request());
    let found = app
        .db
        .read(move |tx| service::actor_of_session(tx, session, origin.clone()))
        .await;
    match found {
        Ok(actor) => Ok(Caller::Known(Arc::new(actor))),
        Err(error) if error.code() == Code::AuthTokenInvalid => Ok(Caller::Rejected(error.code())),
        Err(error) => Err(error),
    }
}
