//! What the OAuth endpoints are asked and answer, in the words of their standards.

use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::Said;
use super::form::take;
use crate::platform::http::{FromQuery, Noted, Params};

/// A request for a token, as the API document shows it.
#[derive(ToSchema)]
#[schema(as = OAuthTokenRequest)]
#[expect(dead_code, reason = "only described; the form is read by name")]
pub struct TokenForm {
    /// `client_credentials` or `refresh_token`.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// Permissions, separated by spaces; without it all that the client may.
    #[schema(nullable = false, example = "users.read")]
    scope: Option<String>,
    /// For `refresh_token`.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// The client, unless `Authorization: Basic` says it; `rosterd` to refresh a session.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client's secret, unless `Authorization: Basic` says it.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// A question about a token, or its revocation, as the API document shows it.
#[derive(ToSchema)]
#[schema(as = OAuthTokenQuestion)]
#[expect(dead_code, reason = "only described; the form is read by name")]
pub struct TokenInHandForm {
    /// The token.
    token: String,
    /// `access_token` or `refresh_token`.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// The client, unless `Authorization: Basic` says it.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client's secret, unless `Authorization: Basic` says it.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// A request for a token.
pub struct TokenRequest {
    pub grant_type: String,
    pub scope: Option<String>,
    pub refresh_token: Option<String>,
    pub client: Said,
}

impl FromQuery for TokenRequest {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        let request = Self {
            grant_type: params.need("grant_type")?,
            scope: take(params, "scope"),
            refresh_token: take(params, "refresh_token"),
            client: Said::take(params),
        };
        params.ignore_others();
        Ok(request)
    }
}

/// A token that somebody holds and asks about, or gives up.
pub struct TokenInHand {
    pub token: String,
    pub hint: Option<String>,
    pub client: Said,
}

impl FromQuery for TokenInHand {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        let request = Self {
            token: params.need("token")?,
            hint: take(params, "token_type_hint"),
            client: Said::take(params),
        };
        params.ignore_others();
        Ok(request)
    }
}

/// Tokens (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthTokens)]
pub struct TokenAnswer {
    /// A JWT (RFC 9068) for `Authorization: Bearer`.
    pub access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// The next refresh token, when a session was refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh_token: Option<String>,
    /// The permissions that the token gives, separated by spaces.
    #[schema(example = "users.read")]
    pub scope: String,
}

/// What is known of a token (RFC 7662, section 2.2). Of one that is not active, nothing else is said.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = OAuthIntrospection)]
pub struct Introspection {
    /// Whether it is good at this moment.
    pub active: bool,
    /// What it gives at this moment, permissions separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// Through which client it was had: `rosterd` for those who sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<String>,
    /// The account's username.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// The account's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<String>,
    /// `Bearer`; `refresh_token` for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_type: Option<&'static str>,
    /// Seconds since 1970: when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exp: Option<i64>,
    /// Seconds since 1970: when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// Whom it acts for: an account's id, or `client:` and a client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sub: Option<String>,
    /// For whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub aud: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iss: Option<String>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub jti: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sid: Option<String>,
}

/// What the service says of itself (RFC 8414, section 2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthMetadata)]
pub struct Metadata {
    /// `ROSTERD_PUBLIC_URL`.
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    service_documentation: String,
    /// None: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
}

impl Metadata {
    /// That of the service at this address, which has no slash at its end.
    pub fn of(issuer: &str) -> Self {
        const BASIC: &str = "client_secret_basic";
        const POST: &str = "client_secret_post";
        const NONE: &str = "none";
        let at = |path: &str| format!("{issuer}{path}");
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: at("/api/v1/oauth/token"),
            jwks_uri: at("/.well-known/jwks.json"),
            introspection_endpoint: at("/api/v1/oauth/introspect"),
            revocation_endpoint: at("/api/v1/oauth/revoke"),
            service_documentation: at("/docs/"),
            response_types_supported: [],
            grant_types_supported: ["client_credentials", "refresh_token"],
            token_endpoint_auth_methods_supported: [BASIC, POST, NONE],
            introspection_endpoint_auth_methods_supported: [BASIC, POST],
            revocation_endpoint_auth_methods_supported: [BASIC, POST, NONE],
        }
    }
}
