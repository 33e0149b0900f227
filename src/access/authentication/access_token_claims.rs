//! The claims of an access token (RFC 9068, section 2.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::credential::Credential;
use crate::access::actor::Principal;
use crate::platform::ids::{ClientGrantId, SessionId};

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// The issuer: `ROSTERD_PUBLIC_URL`.
    pub iss: String,
    /// The account or service client.
    pub sub: Principal,
    /// The audience: `ROSTERD_AUDIENCE`, or the application for which the token was requested.
    pub aud: String,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// The id of the token.
    pub jti: Uuid,
    /// The client: [`FIRST_PARTY_CLIENT_ID`](super::FIRST_PARTY_CLIENT_ID) for people, its own id for a service client.
    pub client_id: String,
    /// The session, or the grant of the service client. The token ends with it.
    pub sid: Uuid,
    /// The account's role when the token was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The `permissions` of a service client in the form of RFC 9068, section 2.2.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The permissions when the token was issued; `None` if they were omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Whether `permissions` and `scope` are omitted, because the caller is a `SuperAdmin` or the token would be too long. The
    /// permissions must then be asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permissions_omitted: bool,
}

/// The claims that limit the time in which a token is valid.
#[derive(Deserialize)]
pub(super) struct ValidityClaims {
    exp: i64,
    /// Our tokens have none.
    #[serde(default, deserialize_with = "some_number")]
    nbf: Option<u32>,
}

impl ValidityClaims {
    /// The claims of a token whose signature has been verified.
    pub(super) fn parse(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether the token is valid at `now`, in seconds since 1970. It is expired in the second of `exp` (RFC 7519, section
    /// 4.1.4).
    pub(super) fn contains(&self, now: i64) -> bool {
        now < self.exp && self.nbf.is_none_or(|start| i64::from(start) <= now)
    }
}

/// Rejects `null`, which `Option` would accept.
fn some_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    u32::deserialize(deserializer).map(Some)
}

impl AccessTokenClaims {
    /// The credential that decides whether the token is still valid.
    pub(super) const fn credential(&self) -> Credential {
        match self.sub {
            Principal::User(_) => Credential::Session(SessionId(self.sid)),
            Principal::Client(_) => Credential::Client(ClientGrantId(self.sid)),
        }
    }

    /// Whether the claims that depend on the kind of subject are present.
    pub(super) const fn is_complete(&self) -> bool {
        let is_subject_complete = match self.sub {
            Principal::User(_) => self.role.is_some(),
            Principal::Client(_) => self.scope.is_some() || self.permissions_omitted,
        };
        is_subject_complete && self.permissions.is_some() != self.permissions_omitted
    }

    /// The same claims without the permissions.
    pub(super) fn without_permissions(self) -> Self {
        Self {
            scope: None,
            permissions: None,
            permissions_omitted: true,
            ..self
        }
    }
}
