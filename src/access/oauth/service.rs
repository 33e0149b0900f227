//! Issues, introspects and revokes tokens for OAuth clients, with the services of clients and sessions.

use super::model::{IntrospectionResponse, TokenResponse};
use super::policy::{self, IdentifiedToken, RevocationDenied};
use crate::access::actor::{Identity, Origin, Principal};
use crate::access::authentication::{
    AccessTokenClaims, Audience, FIRST_PARTY_CLIENT_ID, ResolvedCaller, TokenIssuer,
};
use crate::access::clients::service::{self as clients, AuthenticatedClient};
use crate::access::sessions::service::TokenContext;
use crate::access::sessions::token_introspection;
use crate::access::sessions::token_refresh;
use crate::accounts::roles;
use crate::platform::crypto::TokenKind;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::{ClientGrantId, SessionId};

/// The client that sent the request.
#[derive(Clone)]
pub enum OAuthClient {
    /// A service client, authenticated by its secret.
    ServiceClient(AuthenticatedClient),
    /// The public client for user sign-in, which has no secret.
    FirstParty,
}

/// The permissions of a scope, sorted, without duplicates.
fn parse_scope(scope: &str) -> Vec<String> {
    let mut permissions: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
    permissions.sort_unstable();
    permissions.dedup();
    permissions
}

/// Issues an access token to a service client (RFC 6749, section 4.4).
///
/// # Errors
/// [`Code::PermissionNotHeld`] if the scope contains a permission that the client does not hold. Errors of [`clients::issue_access_token`].
pub fn issue_client_token(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    client: &AuthenticatedClient,
    scope: Option<&str>,
    audience: &Audience,
    origin: &Origin,
) -> TxResult<TokenResponse> {
    let permissions = scope.map(parse_scope);
    let requested = permissions.as_deref();
    let token = clients::issue_access_token(tx, issuer, client, requested, audience, origin)?;
    Ok(TokenResponse {
        access_token: token.access_token,
        token_type: "Bearer",
        expires_in: (token.expires_at - tx.now).num_seconds(),
        refresh_token: None,
        scope: token.permissions.join(" "),
    })
}

/// Issues the next tokens of a session, like `/auth/refresh` (RFC 6749, section 6).
///
/// # Errors
/// Errors of [`token_refresh::refresh`]. [`Code::PermissionNotHeld`] if a scope is given that is not exactly the permissions of the
/// account, because session tokens cannot be narrowed.
pub fn refresh_session(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    refresh_token: &str,
    scope: Option<&str>,
    audience: Option<&Audience>,
    origin: &Origin,
) -> TxResult<TokenResponse> {
    let tokens = token_refresh::refresh(tx, token_context, refresh_token, audience, None, origin)?;
    let granted_scope = tokens.user.effective_permissions.join(" ");
    // The permissions have the database's sort order, so they are sorted again before the comparison.
    if scope.is_some_and(|scope| parse_scope(scope) != parse_scope(&granted_scope)) {
        let detail = "session tokens always have all permissions of the account: omit the scope";
        let error = AppError::new(Code::PermissionNotHeld).with_detail(detail);
        return Err(TxAbort::RollBack(error));
    }
    Ok(TokenResponse {
        access_token: tokens.access_token,
        token_type: tokens.token_type,
        expires_in: (tokens.access_token_expires_at_utc - tx.now).num_seconds(),
        refresh_token: tokens.refresh_token,
        scope: granted_scope,
    })
}

/// Describes an access token or personal access token of `caller`. `claims` are those of a JWT.
///
/// # Errors
/// Database errors.
pub fn introspect_access_token(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    caller: &ResolvedCaller,
    claims: Option<&AccessTokenClaims>,
) -> Result<IntrospectionResponse, AppError> {
    let permissions = roles::service::permission_names(tx, &caller.authority.permissions)?;
    let is_account = !matches!(caller.identity, Identity::Client { .. });
    let token_id = match caller.identity {
        Identity::Token { id, .. } => Some(id.to_string()),
        _ => claims.map(|claims| claims.jti.to_string()),
    };
    let client_id = claims.map_or(FIRST_PARTY_CLIENT_ID, |claims| &claims.client_id);
    let audience = claims.map_or_else(
        || issuer.audiences().claim(&Audience::Service),
        |claims| &claims.aud,
    );
    let expires_at = caller.expires_at.map(|expires_at| expires_at.timestamp());
    Ok(IntrospectionResponse {
        active: true,
        scope: Some(permissions.join(" ")),
        client_id: Some(client_id.to_owned()),
        username: is_account.then(|| caller.username.to_string()),
        role: (is_account && !caller.facts.is_narrowed).then(|| caller.authority.role.clone()),
        token_type: Some("Bearer"),
        exp: claims.map(|claims| claims.exp).or(expires_at),
        iat: claims.map(|claims| claims.iat),
        sub: Principal::of(&caller.identity).map(|sub| sub.to_string()),
        aud: Some(audience.to_owned()),
        iss: Some(issuer.name().to_owned()),
        jti: token_id,
        sid: claims.map(|claims| claims.sid.to_string()),
    })
}

/// Describes a refresh token.
///
/// # Errors
/// Database errors.
pub fn introspect_refresh_token(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    refresh_token: &str,
) -> Result<IntrospectionResponse, AppError> {
    let Some(token) = token_introspection::find_active_refresh_token(tx, refresh_token)? else {
        return Ok(IntrospectionResponse::default());
    };
    Ok(IntrospectionResponse {
        active: true,
        client_id: Some(FIRST_PARTY_CLIENT_ID.to_owned()),
        token_type: Some("refresh_token"),
        exp: Some(token.expires_at.timestamp()),
        sub: Some(Principal::User(token.user).to_string()),
        iss: Some(issuer.name().to_owned()),
        sid: Some(token.session.to_string()),
        ..IntrospectionResponse::default()
    })
}

/// Revokes a token: ends its session or client grant. Does nothing for a token that is invalid or has expired
/// (RFC 7009, section 2.2).
///
/// # Errors
/// Database errors. The inner error means that the client may not revoke the token.
pub fn revoke_token(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    client: &OAuthClient,
    token: &str,
    origin: &Origin,
) -> TxResult<Result<(), RevocationDenied>> {
    tx.wait_for_leases();
    let token = identify_token(tx, issuer, token)?;
    let client_id = match client {
        OAuthClient::ServiceClient(client) => Some(client.id),
        OAuthClient::FirstParty => None,
    };
    if let Err(denied) = policy::check_may_revoke(client_id, token) {
        return Ok(Err(denied));
    }
    match token {
        IdentifiedToken::Session(session) => {
            token_introspection::revoke_session(tx, session, origin)?;
        }
        IdentifiedToken::ClientGrant(client, grant) => {
            clients::revoke_grant(tx, client, grant, origin)?;
        }
        IdentifiedToken::Unknown | IdentifiedToken::PersonalToken => {}
    }
    Ok(Ok(()))
}

fn identify_token(
    tx: &mut Tx<'_>,
    issuer: &TokenIssuer,
    token: &str,
) -> Result<IdentifiedToken, AppError> {
    if TokenKind::PersonalToken.matches(token) {
        return Ok(IdentifiedToken::PersonalToken);
    }
    if let Ok(claims) = issuer.verify(token) {
        return Ok(match claims.sub {
            Principal::User(_) => IdentifiedToken::Session(SessionId(claims.sid)),
            Principal::Client(client) => {
                IdentifiedToken::ClientGrant(client, ClientGrantId(claims.sid))
            }
        });
    }
    let session = token_introspection::find_session_of_refresh_token(tx, token)?;
    Ok(session.map_or(IdentifiedToken::Unknown, IdentifiedToken::Session))
}
