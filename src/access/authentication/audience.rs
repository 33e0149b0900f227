//! The audiences of access tokens: the service's own, and those of applications, which are requested as the `resource`
//! (RFC 8707) of a sign-in or a client grant. A token for an application cannot be used at another application or at the
//! service's own API.

use std::sync::Arc;

use crate::platform::error::{AppError, Code, FieldError};

/// The audience of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The service itself, and every application that has no audience of its own.
    Service,
    /// An application of `ROSTERD_APP_AUDIENCES`.
    App(Arc<str>),
}

impl Audience {
    /// The application, for storing.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        match self {
            Self::Service => None,
            Self::App(name) => Some(name),
        }
    }
}

/// The audiences for which this service issues tokens.
#[derive(Clone, Debug)]
pub struct Audiences {
    service: Arc<str>,
    apps: Vec<Arc<str>>,
}

impl Audiences {
    /// The audience of the service, `ROSTERD_AUDIENCE`, and those of applications, `ROSTERD_APP_AUDIENCES`.
    #[must_use]
    pub fn new(service: &str, apps: &[String]) -> Self {
        Self {
            service: service.into(),
            apps: apps.iter().map(|name| name.as_str().into()).collect(),
        }
    }

    /// The audience with this name, if tokens are issued for it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Audience> {
        if *name == *self.service {
            return Some(Audience::Service);
        }
        let app = self.apps.iter().find(|app| ***app == *name);
        app.map(|app| Audience::App(Arc::clone(app)))
    }

    /// The audience that a request names in `resource`.
    ///
    /// # Errors
    /// [`Code::InvalidTarget`] when there is no such audience.
    pub fn find_resource(&self, name: &str) -> Result<Audience, AppError> {
        self.find(name).ok_or_else(|| {
            invalid_target("is not an audience of this service (ROSTERD_APP_AUDIENCES)")
        })
    }

    /// The `aud` claim for this audience.
    #[must_use]
    pub fn claim<'a>(&'a self, audience: &'a Audience) -> &'a str {
        audience.app().unwrap_or(&self.service)
    }

    /// The values of `aud` that are accepted.
    pub(super) fn all(&self) -> Vec<&str> {
        let apps = self.apps.iter().map(AsRef::as_ref);
        std::iter::once(&*self.service).chain(apps).collect()
    }
}

/// The error for a `resource` for which no token can be issued.
#[must_use]
pub fn invalid_target(detail: &'static str) -> AppError {
    AppError::new(Code::InvalidTarget).with_field_error(FieldError::new(
        "/resource",
        "invalid_target",
        detail,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_names_are_audiences_and_they_are_compared_exactly() {
        let audiences = Audiences::new("rosterd", &["https://photos.example.org".to_owned()]);
        let photos = Audience::App("https://photos.example.org".into());
        assert_eq!(audiences.find("rosterd"), Some(Audience::Service));
        assert_eq!(
            audiences.find("https://photos.example.org"),
            Some(photos.clone())
        );
        assert_eq!(audiences.claim(&Audience::Service), "rosterd");
        assert_eq!(audiences.claim(&photos), "https://photos.example.org");
        for name in [
            "",
            "Rosterd",
            "https://photos.example.org/",
            "https://PHOTOS.example.org",
        ] {
            assert_eq!(audiences.find(name), None, "{name}");
        }
    }
}
