//! The requests and responses of the OAuth endpoints, with the parameter names of the standards.

use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::FormCredentials;
use super::form::{take_non_empty, take_optional};
use crate::platform::http::{FromQuery, InvalidQuery, QueryReader};

/// A token request.
#[derive(ToSchema)]
#[schema(as = OAuthTokenRequest)]
#[expect(
    dead_code,
    reason = "only for the OpenAPI document; the form is parsed by parameter name"
)]
pub struct TokenRequestForm {
    /// `client_credentials` or `refresh_token`.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The requested permissions, separated by spaces. If absent, all permissions of the client.
    #[schema(nullable = false, example = "users.read")]
    scope: Option<String>,
    /// The application for which the access token is valid, one of `ROSTERD_APP_AUDIENCES` (RFC 8707). Default: that of the
    /// session, or the service itself. An unknown one is `invalid_target`.
    #[schema(nullable = false, example = "https://photos.example.org")]
    resource: Option<String>,
    /// Required for `refresh_token`.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// The client id, unless it is sent with `Authorization: Basic`. Use `rosterd` to refresh a session.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client secret, unless it is sent with `Authorization: Basic`.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// An introspection or revocation request.
#[derive(ToSchema)]
#[schema(as = OAuthTokenParameters)]
#[expect(
    dead_code,
    reason = "only for the OpenAPI document; the form is parsed by parameter name"
)]
pub struct PresentedTokenForm {
    /// The token.
    token: String,
    /// `access_token` or `refresh_token`.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// For introspection: the audience of the application, one of `ROSTERD_APP_AUDIENCES` or `ROSTERD_AUDIENCE`. Access tokens
    /// for others are not active. Repeat the parameter to accept several. Default: `ROSTERD_AUDIENCE`.
    #[schema(nullable = false, example = "https://photos.example.org")]
    audience: Option<String>,
    /// The client id, unless it is sent with `Authorization: Basic`.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client secret, unless it is sent with `Authorization: Basic`.
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

/// A parsed token request.
pub struct TokenRequest {
    pub grant_type: String,
    pub scope: Option<String>,
    /// The values of `resource`.
    pub resources: Vec<String>,
    pub refresh_token: Option<String>,
    pub client: FormCredentials,
}

impl FromQuery for TokenRequest {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        let request = Self {
            grant_type: params.take_required("grant_type")?,
            scope: take_optional(params, "scope"),
            resources: take_non_empty(params, "resource"),
            refresh_token: take_optional(params, "refresh_token"),
            client: FormCredentials::take(params),
        };
        params.ignore_unknown();
        Ok(request)
    }
}

/// A parsed introspection or revocation request.
pub struct PresentedToken {
    pub token: String,
    pub token_type_hint: Option<String>,
    /// The values of `audience`.
    pub audiences: Vec<String>,
    pub client: FormCredentials,
}

impl FromQuery for PresentedToken {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        let request = Self {
            token: params.take_required("token")?,
            token_type_hint: take_optional(params, "token_type_hint"),
            audiences: take_non_empty(params, "audience"),
            client: FormCredentials::take(params),
        };
        params.ignore_unknown();
        Ok(request)
    }
}

/// The issued tokens (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthTokens)]
pub struct TokenResponse {
    /// The access token, a JWT (RFC 9068), to send as `Authorization: Bearer`.
    pub access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// The lifetime of the access token in seconds.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// The new refresh token. Only present when a session was refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh_token: Option<String>,
    /// The permissions of the access token, separated by spaces.
    #[schema(example = "users.read")]
    pub scope: String,
}

/// The state of a token (RFC 7662, section 2.2). All other members are absent if the token is not active.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = OAuthIntrospection)]
pub struct IntrospectionResponse {
    /// Whether the token is valid now.
    pub active: bool,
    /// The current permissions of the token, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// The client that the token was issued to: `rosterd` for user sign-ins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<String>,
    /// The username of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// The role of the account. Absent for a personal access token with fewer permissions than the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<String>,
    /// `Bearer`, or `refresh_token` for a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_type: Option<&'static str>,
    /// The expiry time in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exp: Option<i64>,
    /// The time of issue in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// The subject: the id of an account, or `client:` followed by the id of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sub: Option<String>,
    /// The audience: for which application the token is valid. An application must reject tokens for another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub aud: Option<String>,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iss: Option<String>,
    /// The token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub jti: Option<String>,
    /// The session id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sid: Option<String>,
}

/// The authorization server metadata (RFC 8414, section 2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthMetadata)]
pub struct AuthorizationServerMetadata {
    /// `ROSTERD_PUBLIC_URL`.
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    service_documentation: String,
    /// Empty, because there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
}

impl AuthorizationServerMetadata {
    /// The metadata for this issuer URL, which must not end with a slash.
    pub fn new(issuer: &str) -> Self {
        const BASIC: &str = "client_secret_basic";
        const POST: &str = "client_secret_post";
        const NONE: &str = "none";
        let url = |path: &str| format!("{issuer}{path}");
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: url("/api/v1/oauth/token"),
            jwks_uri: url("/.well-known/jwks.json"),
            introspection_endpoint: url("/api/v1/oauth/introspect"),
            revocation_endpoint: url("/api/v1/oauth/revoke"),
            service_documentation: url("/docs/"),
            response_types_supported: [],
            grant_types_supported: ["client_credentials", "refresh_token"],
            token_endpoint_auth_methods_supported: [BASIC, POST, NONE],
            introspection_endpoint_auth_methods_supported: [BASIC, POST],
            revocation_endpoint_auth_methods_supported: [BASIC, POST, NONE],
        }
    }
}
