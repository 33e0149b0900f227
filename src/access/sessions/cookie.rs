//! The refresh token of a browser app, in a cookie that its scripts can't read, and another by which the browser is known
//! later. The access token stays with the app.
//!
//! `__Host-` binds the cookie to this host, over HTTPS, for all its paths; `SameSite=Strict` keeps other sites from sending
//! it, and what a browser says of where a request comes from is looked at besides.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpRequest};
use chrono::TimeDelta;

use crate::app_state::State;
use crate::platform::error::{AppError, Code};

const REFRESH: &str = "__Host-rosterd-refresh";
const DEVICE: &str = "__Host-rosterd-device";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The `Set-Cookie` that keeps this refresh token in the browser for as long as it is good.
pub fn keep(refresh_token: &str, lasts: TimeDelta) -> String {
    set(REFRESH, refresh_token, lasts)
}

/// The `Set-Cookie` by which the browser is known for as long as that.
pub fn keep_device(token: &str, lasts: TimeDelta) -> String {
    set(DEVICE, token, lasts)
}

/// The `Set-Cookie` that removes it.
pub fn remove() -> String {
    set(REFRESH, "", TimeDelta::zero())
}

/// What the browser is known by, if it sends that.
#[must_use]
pub fn device_token(headers: &HeaderMap) -> Option<String> {
    cookie(headers, DEVICE)
}

fn set(name: &str, value: &str, lasts: TimeDelta) -> String {
    let seconds = lasts.num_seconds().max(0);
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

/// The refresh token that the browser sent.
pub struct RefreshCookie {
    token: Option<String>,
    is_from_elsewhere: bool,
}

impl RefreshCookie {
    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.token.is_some()
    }

    /// The token, if the request comes from our own origin, from one that `ROSTERD_CORS_ORIGINS` lists, or from no browser.
    ///
    /// # Errors
    /// [`Code::CrossSiteForbidden`].
    pub fn token(self) -> Result<Option<String>, AppError> {
        match self.token {
            Some(_) if self.is_from_elsewhere => Err(Code::CrossSiteForbidden.into()),
            token => Ok(token),
        }
    }
}

impl FromRequest for RefreshCookie {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let origins = request
            .app_data::<State>()
            .map(|app| app.cookie_origins.as_slice())
            .unwrap_or_default();
        ready(Ok(Self {
            token: cookie(request.headers(), REFRESH),
            is_from_elsewhere: is_from_elsewhere(request.headers(), origins),
        }))
    }
}

fn cookie(headers: &HeaderMap, called: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == called && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// Whether a browser says that the request was made by a page of an origin that is none of `ours`.
fn is_from_elsewhere(headers: &HeaderMap, ours: &[String]) -> bool {
    let said = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (said(ORIGIN), said(SEC_FETCH_SITE)) {
        (Some(origin), _) => !ours.iter().any(|own| own == origin),
        (None, Some(site)) => site != "same-origin",
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_our_own_pages_and_programs_may_use_the_cookie() {
        let ours = vec!["https://id.example.org".to_owned()];
        let from = |headers: &[(HeaderName, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            is_from_elsewhere(&headers.collect(), &ours)
        };
        assert!(!from(&[]));
        assert!(!from(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(!from(&[
            (ORIGIN, "https://id.example.org"),
            (SEC_FETCH_SITE, "same-origin")
        ]));
        assert!(from(&[(SEC_FETCH_SITE, "cross-site")]));
        assert!(from(&[(SEC_FETCH_SITE, "same-site")]));
        for origin in [
            "https://evil.example",
            "null",
            "http://id.example.org",
            "https://id.example.org.evil.example",
        ] {
            assert!(from(&[(ORIGIN, origin)]), "{origin}");
        }
    }
}
