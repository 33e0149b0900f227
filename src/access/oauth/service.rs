//! Getting, examining and revoking tokens in OAuth's way. What a token is worth is decided where its kind is at home.

use super::model::{Introspection, TokenAnswer};
use super::policy::{self, Denied, InHand};
use crate::access::authentication::cache::ResolvedCaller;
use crate::access::authentication::{Claims, FIRST_PARTY, Identity, Issuer, Origin, Principal};
use crate::access::clients::service::{self as clients, AuthenticatedClient};
use crate::access::sessions::service::{self as sessions, TokenContext};
use crate::accounts::roles;
use crate::platform::crypto::TokenKind;
use crate::platform::db::Tx;
use crate::platform::error::{AppError, Code, TxAbort, TxResult};
use crate::platform::ids::{GrantId, SessionId};

/// Who is calling.
#[derive(Clone)]
pub enum Caller {
    /// A service client that has shown its secret.
    Client(AuthenticatedClient),
    /// Whoever says that it is the client that people sign in through, which has no secret.
    FirstParty,
}

/// The permissions in a scope, each once.
fn names(scope: &str) -> Vec<String> {
    let mut names: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A client's token for itself (RFC 6749, section 4.4).
///
/// # Errors
/// [`Code::PermissionNotHeld`] for a scope that it does not hold; those of [`clients::grant`].
pub fn client_credentials(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    client: &AuthenticatedClient,
    scope: Option<&str>,
    origin: &Origin,
) -> TxResult<TokenAnswer> {
    let wanted = scope.map(names);
    let granted = clients::grant(tx, issuer, client, wanted.as_deref(), origin)?;
    Ok(TokenAnswer {
        access_token: granted.access_token,
        token_type: "Bearer",
        expires_in: (granted.expires_at - tx.now).num_seconds(),
        refresh_token: None,
        scope: granted.permissions.join(" "),
    })
}

/// A session's next tokens (RFC 6749, section 6): what `/auth/refresh` does.
///
/// # Errors
/// Those of [`sessions::refresh`]; [`Code::PermissionNotHeld`] for a scope other than all that the account holds, which is
/// what a session's tokens give.
pub fn refresh(
    tx: &mut Tx<'_>,
    token_context: &TokenContext,
    presented: &str,
    scope: Option<&str>,
    origin: &Origin,
) -> TxResult<TokenAnswer> {
    let tokens = sessions::refresh(tx, token_context, presented, None, origin)?;
    let permissions = tokens.user.effective_permissions;
    // The catalogue's order is the database's.
    if scope.is_some_and(|scope| names(scope) != names(&permissions.join(" "))) {
        let detail = "the tokens of a session give all that its account holds: leave the scope out";
        let why = AppError::new(Code::PermissionNotHeld).detail(detail);
        return Err(TxAbort::RollBack(why));
    }
    Ok(TokenAnswer {
        access_token: tokens.access_token,
        token_type: tokens.token_type,
        expires_in: (tokens.access_token_expires_at_utc - tx.now).num_seconds(),
        refresh_token: tokens.refresh_token,
        scope: permissions.join(" "),
    })
}

/// What a client is told of an access token that stands for these facts; `claims` are those of a JWT.
///
/// # Errors
/// When the database fails.
pub fn describe(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    facts: &ResolvedCaller,
    claims: Option<&Claims>,
) -> Result<Introspection, AppError> {
    let permissions = roles::service::list_held(tx, &facts.authority.permissions)?;
    let is_account = !matches!(facts.identity, Identity::Client { .. });
    let token = match facts.identity {
        Identity::Token { id, .. } => Some(id.to_string()),
        _ => claims.map(|claims| claims.jti.to_string()),
    };
    let end = facts.ends_at.map(|end| end.timestamp());
    Ok(Introspection {
        active: true,
        scope: Some(permissions.join(" ")),
        client_id: Some(
            claims
                .map_or(FIRST_PARTY, |claims| &claims.client_id)
                .to_owned(),
        ),
        username: is_account.then(|| facts.username.to_string()),
        role: is_account.then(|| facts.authority.role.clone()),
        token_type: Some("Bearer"),
        exp: claims.map(|claims| claims.exp).or(end),
        iat: claims.map(|claims| claims.iat),
        sub: Principal::of(&facts.identity).map(|sub| sub.to_string()),
        aud: Some(issuer.audience().to_owned()),
        iss: Some(issuer.name().to_owned()),
        jti: token,
        sid: claims.map(|claims| claims.sid.to_string()),
    })
}

/// What a client is told of a refresh token.
///
/// # Errors
/// When the database fails.
pub fn describe_refresh_token(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    presented: &str,
) -> Result<Introspection, AppError> {
    let Some(permissions) = sessions::examine(tx, presented)? else {
        return Ok(Introspection::default());
    };
    Ok(Introspection {
        active: true,
        client_id: Some(FIRST_PARTY.to_owned()),
        token_type: Some("refresh_token"),
        exp: Some(permissions.expires_at.timestamp()),
        sub: Some(Principal::User(permissions.user).to_string()),
        iss: Some(issuer.name().to_owned()),
        sid: Some(permissions.session.to_string()),
        ..Introspection::default()
    })
}

/// Ends what the token stands for, as far as the caller may; a token that is none, or none any more, is as good as revoked
/// (RFC 7009, section 2.2).
///
/// # Errors
/// When the database fails; a token that the caller may not revoke is told beside that.
pub fn revoke(
    tx: &mut Tx<'_>,
    issuer: &Issuer,
    caller: &Caller,
    token: &str,
    origin: &Origin,
) -> TxResult<Result<(), Denied>> {
    let in_hand = what_is(tx, issuer, token)?;
    let client = match caller {
        Caller::Client(client) => Some(client.id),
        Caller::FirstParty => None,
    };
    if let Err(denied) = policy::may_revoke(client, in_hand) {
        return Ok(Err(denied));
    }
    match in_hand {
        InHand::Session(session) => sessions::give_up(tx, session, origin)?,
        InHand::Grant(client, grant) => clients::give_back(tx, client, grant, origin)?,
        InHand::Nothing | InHand::PersonalToken => {}
    }
    Ok(Ok(()))
}

fn what_is(tx: &mut Tx<'_>, issuer: &Issuer, token: &str) -> Result<InHand, AppError> {
    if TokenKind::PersonalToken.is_on(token) {
        return Ok(InHand::PersonalToken);
    }
    if let Ok(claims) = issuer.verify(token) {
        return Ok(match claims.sub {
            Principal::User(_) => InHand::Session(SessionId(claims.sid)),
            Principal::Client(client) => InHand::Grant(client, GrantId(claims.sid)),
        });
    }
    let session = sessions::session_of(tx, token)?;
    Ok(session.map_or(InHand::Nothing, InHand::Session))
}
