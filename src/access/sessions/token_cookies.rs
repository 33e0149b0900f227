//! The cookies of browser applications: the refresh token, which scripts cannot read, and the device token. The access
//! token stays in the application.
//!
//! The prefix `__Host-` binds a cookie to this host over HTTPS. `SameSite=Strict` prevents other sites from sending it, and
//! the headers `Origin` and `Sec-Fetch-Site` are checked too.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpRequest};
use chrono::TimeDelta;

use crate::app_state::State;
use crate::platform::error::{AppError, Code};
use crate::platform::http::unlisted_origin;

const REFRESH_COOKIE: &str = "__Host-rosterd-refresh";
const DEVICE_COOKIE: &str = "__Host-rosterd-device";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The `Set-Cookie` header that stores the refresh token.
pub fn set_refresh_token(refresh_token: &str, max_age: TimeDelta) -> String {
    set_cookie(REFRESH_COOKIE, refresh_token, max_age)
}

/// The `Set-Cookie` header that stores the device token.
pub fn set_device_token(token: &str, max_age: TimeDelta) -> String {
    set_cookie(DEVICE_COOKIE, token, max_age)
}

/// The `Set-Cookie` header that removes the refresh token.
pub fn remove_refresh_token() -> String {
    set_cookie(REFRESH_COOKIE, "", TimeDelta::zero())
}

/// The device token that the browser sent.
#[must_use]
pub fn device_token(headers: &HeaderMap) -> Option<String> {
    find_cookie(headers, DEVICE_COOKIE)
}

fn set_cookie(name: &str, value: &str, max_age: TimeDelta) -> String {
    let seconds = max_age.num_seconds().max(0);
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

/// The refresh token cookie of a request.
pub struct RefreshCookie {
    token: Option<String>,
    /// Why the request may not use the cookies, if a page that is not allowed made it.
    refusal: Option<String>,
}

impl RefreshCookie {
    /// Whether the request has the cookie.
    pub fn is_present(&self) -> bool {
        self.token.is_some()
    }

    /// Checks that the request may set the cookies: it must come from the service's own origin, from an origin in
    /// `ROSTERD_CORS_ORIGINS`, or from a client that is not a browser.
    ///
    /// # Errors
    /// [`Code::CrossSiteForbidden`].
    pub fn check_origin(&self) -> Result<(), AppError> {
        self.refusal
            .as_deref()
            .map_or(Ok(()), |detail| Err(cross_site(detail)))
    }

    /// The token. The request must come from the service's own origin, from an origin in `ROSTERD_CORS_ORIGINS`, or from a
    /// client that is not a browser.
    ///
    /// # Errors
    /// [`Code::CrossSiteForbidden`].
    pub fn token(self) -> Result<Option<String>, AppError> {
        match (self.token, self.refusal) {
            (Some(_), Some(detail)) => Err(cross_site(&detail)),
            (token, _) => Ok(token),
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
            token: find_cookie(request.headers(), REFRESH_COOKIE),
            refusal: refusal(request.headers(), origins),
        }))
    }
}

fn find_cookie(headers: &HeaderMap, cookie_name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == cookie_name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// Why the request is refused, if the browser headers say that a page of an origin outside `allowed_origins` made it.
fn refusal(headers: &HeaderMap, allowed_origins: &[String]) -> Option<String> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (header(ORIGIN), header(SEC_FETCH_SITE)) {
        (Some(origin), _) if !allowed_origins.iter().any(|allowed| allowed == origin) => {
            Some(unlisted_origin(origin))
        }
        (None, Some(site)) if site != "same-origin" => Some(
            "A page of another site made the request. Allowed sites are listed in ROSTERD_CORS_ORIGINS."
                .to_owned(),
        ),
        _ => None,
    }
}

fn cross_site(detail: &str) -> AppError {
    AppError::new(Code::CrossSiteForbidden).with_detail(detail.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_allowed_origins_and_clients_without_browser_headers_may_use_the_cookie() {
        let allowed = vec!["https://id.example.org".to_owned()];
        let is_rejected = |headers: &[(HeaderName, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            refusal(&headers.collect(), &allowed).is_some()
        };
        assert!(!is_rejected(&[]));
        assert!(!is_rejected(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(!is_rejected(&[
            (ORIGIN, "https://id.example.org"),
            (SEC_FETCH_SITE, "same-origin")
        ]));
        assert!(is_rejected(&[(SEC_FETCH_SITE, "cross-site")]));
        assert!(is_rejected(&[(SEC_FETCH_SITE, "same-site")]));
        for origin in [
            "https://evil.example",
            "null",
            "http://id.example.org",
            "https://id.example.org.evil.example",
        ] {
            assert!(is_rejected(&[(ORIGIN, origin)]), "{origin}");
        }
    }
}
