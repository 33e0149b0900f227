//! Issuing and verifying access tokens: JWTs by RFC 9068, signed with ES256. No other algorithm and no other header members
//! are accepted (RFC 8725). Whether the session of a token has ended is checked in `resolve`.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header, Validation};
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access_token_claims::{AccessTokenClaims, ValidityClaims};
use super::access_token_keys::KeySet;
use super::audience::{Audience, Audiences};
use super::credential::Credential;
use crate::access::actor::{Principal, SUPER_ADMIN};
use crate::platform::clock;
use crate::platform::crypto::{self, TokenKind};
use crate::platform::error::{AppError, Code};
use crate::platform::ids::{ClientGrantId, ClientId, SessionId, UserId};

/// The `client_id` of tokens for people who signed in: a public client without a secret (RFC 6749, section 2.1).
pub const FIRST_PARTY_CLIENT_ID: &str = "rosterd";

/// The claims of the token that permits a required password change.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PasswordChangeClaims {
    iss: String,
    sub: UserId,
    aud: String,
    exp: i64,
    iat: i64,
    jti: Uuid,
    /// The version of the password that was verified. The token is invalid after the password has been changed.
    password_version: i64,
}

/// A bearer token whose signature, or form, is valid.
#[derive(Clone, Debug)]
pub struct VerifiedBearer {
    /// The credential to look up.
    pub credential: Credential,
    /// The key that signed the token; `None` for personal access tokens.
    pub key_id: Option<Arc<str>>,
    /// For which application the token may be used, or for the service itself.
    pub audience: Audience,
    /// When the token was issued, in whole seconds; `None` for personal access tokens.
    pub issued_at: Option<DateTime<Utc>>,
    /// The id in the `sub` claim; `None` for personal access tokens.
    subject: Option<Uuid>,
}

impl VerifiedBearer {
    /// Whether the token may belong to this principal: the `sub` claim must match.
    #[must_use]
    pub fn may_belong_to(&self, principal: Uuid) -> bool {
        self.subject.is_none_or(|subject| subject == principal)
    }
}

/// The kinds of token. The `typ` header distinguishes them, so that one kind is not accepted as the other.
#[derive(Clone, Copy)]
enum TokenType {
    Access,
    PasswordChange,
}

impl TokenType {
    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::PasswordChange => "change+jwt",
        }
    }
}

/// The header members of our tokens. Others are rejected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenHeader {
    typ: String,
    alg: String,
    kid: String,
}

/// What the access token of a session contains.
pub struct SessionTokenContent {
    /// The account.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When the session ends. The token does not outlive it.
    pub session_end: DateTime<Utc>,
    /// The account's role.
    pub role: String,
    /// The account's permissions.
    pub permissions: Vec<String>,
    /// Where the token may be used.
    pub audience: Audience,
}

/// Issues and verifies access tokens and password change tokens.
pub struct TokenIssuer {
    name: String,
    audiences: Audiences,
    lifetime: TimeDelta,
    keys: RwLock<Arc<KeySet>>,
    /// Access tokens that were verified with these keys, by digest, and when they expire.
    verified: Cache<[u8; 32], (VerifiedBearer, i64)>,
}

impl TokenIssuer {
    /// The accepted clock difference, in seconds.
    const LEEWAY: i64 = 30;

    /// An issuer with this `iss`, whose access tokens are for one of these audiences and valid for `lifetime`.
    #[must_use]
    pub fn new(name: String, audiences: Audiences, lifetime: TimeDelta, keys: KeySet) -> Self {
        Self {
            name,
            audiences,
            lifetime,
            keys: RwLock::new(Arc::new(keys)),
            verified: Cache::new(50_000),
        }
    }

    /// The current public keys as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.keys().jwks(now())
    }

    /// The current keys.
    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the keys.
    pub fn set_keys(&self, keys: KeySet) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.verified.clear();
    }

    /// The length above which an access token is issued without its permissions, in bytes. Proxies and application servers
    /// limit the request head, often to 8 KiB.
    const MAX_TOKEN_BYTES: usize = 4096;

    /// Issues an access token and returns its expiry: the end of its lifetime or of the session, whichever is earlier. The
    /// permissions are omitted for a `SuperAdmin`, who holds all of them, and if the token would be too long.
    ///
    /// # Errors
    /// When signing fails.
    pub fn access_token(
        &self,
        content: SessionTokenContent,
        now: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), AppError> {
        let end = self.expiry(now).min(content.session_end.trunc_subsecs(0));
        let is_super_admin = content.role == SUPER_ADMIN;
        let (sub, sid) = (Principal::User(content.user), content.session.0);
        let claims = AccessTokenClaims {
            client_id: FIRST_PARTY_CLIENT_ID.to_owned(),
            aud: self.audiences.claim(&content.audience).to_owned(),
            role: Some(content.role),
            ..self.claims(sub, sid, content.permissions, now, end)
        };
        let claims = if is_super_admin {
            claims.without_permissions()
        } else {
            claims
        };
        Ok((self.sign_access_token(claims)?, end))
    }

    /// Issues an access token for a service client. It expires at [`TokenIssuer::expiry`].
    ///
    /// # Errors
    /// When signing fails.
    pub fn client_token(
        &self,
        client: ClientId,
        grant: ClientGrantId,
        permissions: Vec<String>,
        audience: &Audience,
        now: DateTime<Utc>,
    ) -> Result<String, AppError> {
        let sub = Principal::Client(client);
        let claims = AccessTokenClaims {
            client_id: client.to_string(),
            aud: self.audiences.claim(audience).to_owned(),
            scope: Some(permissions.join(" ")),
            ..self.claims(sub, grant.0, permissions, now, self.expiry(now))
        };
        self.sign_access_token(claims)
    }

    /// Signs an access token, without its permissions if it would be too long with them.
    fn sign_access_token(&self, claims: AccessTokenClaims) -> Result<String, AppError> {
        let token = self.sign(TokenType::Access, &claims)?;
        if token.len() <= Self::MAX_TOKEN_BYTES || claims.permissions_omitted {
            return Ok(token);
        }
        self.sign(TokenType::Access, &claims.without_permissions())
    }

    /// When an access token issued `now` expires. The `exp` claim has whole seconds, so the fraction is cut off.
    #[must_use]
    pub fn expiry(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.lifetime).trunc_subsecs(0)
    }

    /// The claims that all access tokens have, for the service itself.
    fn claims(
        &self,
        sub: Principal,
        sid: Uuid,
        permissions: Vec<String>,
        now: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> AccessTokenClaims {
        AccessTokenClaims {
            iss: self.name.clone(),
            sub,
            aud: self.audiences.claim(&Audience::Service).to_owned(),
            exp: end.timestamp(),
            iat: now.timestamp(),
            jti: Uuid::new_v4(),
            client_id: String::new(),
            sid,
            role: None,
            scope: None,
            permissions: Some(permissions),
            permissions_omitted: false,
        }
    }

    /// The `iss` claim: `ROSTERD_PUBLIC_URL`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The audiences for which tokens are issued.
    #[must_use]
    pub const fn audiences(&self) -> &Audiences {
        &self.audiences
    }

    /// Verifies a bearer token. The signature of an access token is verified once and then cached.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] when the token is invalid or has expired.
    pub fn verify_bearer(&self, token: &str) -> Result<VerifiedBearer, AppError> {
        if TokenKind::PersonalToken.matches(token) {
            return Ok(VerifiedBearer {
                credential: Credential::Token(crypto::digest(token)),
                key_id: None,
                audience: Audience::Service,
                issued_at: None,
                subject: None,
            });
        }
        let digest = crypto::digest(token);
        if let Some((verified, end)) = self.verified.get(&digest) {
            return if now() < end {
                Ok(verified)
            } else {
                Err(Code::AuthTokenInvalid.into())
            };
        }
        let keys = self.keys();
        let claims = self.verify(token)?;
        let audience = self.audiences.find(&claims.aud);
        let verified = VerifiedBearer {
            audience: audience.ok_or(Code::AuthTokenInvalid)?,
            credential: claims.credential(),
            key_id: parse_header(token).map(|header| header.kid.into()),
            issued_at: DateTime::from_timestamp_secs(claims.iat),
            subject: Some(claims.sub.id()),
        };
        self.verified.insert(digest, (verified.clone(), claims.exp));
        if !Arc::ptr_eq(&keys, &self.keys()) {
            self.verified.remove(&digest);
        }
        Ok(verified)
    }

    /// The claims of a valid access token, for any audience.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] for anything else.
    pub fn verify(&self, token: &str) -> Result<AccessTokenClaims, AppError> {
        let claims: AccessTokenClaims =
            self.verify_claims(TokenType::Access, &self.audiences.all(), token)?;
        self.check_issued_at(claims.iat)?;
        if claims.is_complete() {
            Ok(claims)
        } else {
            Err(Code::AuthTokenInvalid.into())
        }
    }

    /// Issues a token that permits only changing the password, for ten minutes.
    ///
    /// # Errors
    /// When signing fails.
    pub fn password_change_token(
        &self,
        user: UserId,
        password_version: i64,
        now: DateTime<Utc>,
    ) -> Result<String, AppError> {
        self.sign(
            TokenType::PasswordChange,
            &PasswordChangeClaims {
                iss: self.name.clone(),
                sub: user,
                aud: self.name.clone(),
                exp: (now + TimeDelta::minutes(10)).timestamp(),
                iat: now.timestamp(),
                jti: Uuid::new_v4(),
                password_version,
            },
        )
    }

    /// The account and password version of a valid password change token.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] for anything else.
    pub fn verify_password_change_token(&self, token: &str) -> Result<(UserId, i64), AppError> {
        let claims: PasswordChangeClaims =
            self.verify_claims(TokenType::PasswordChange, &[&self.name], token)?;
        self.check_issued_at(claims.iat)?;
        Ok((claims.sub, claims.password_version))
    }

    fn sign(&self, kind: TokenType, claims: &impl Serialize) -> Result<String, AppError> {
        let keys = self.keys();
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.typ().to_owned());
        let (id, key) = keys.signing_key(now())?;
        header.kid = Some(id.to_owned());
        jsonwebtoken::encode(&header, claims, key).map_err(AppError::internal)
    }

    fn verify_claims<C: DeserializeOwned + Clone>(
        &self,
        kind: TokenType,
        audiences: &[&str],
        token: &str,
    ) -> Result<C, AppError> {
        let invalid = || AppError::new(Code::AuthTokenInvalid);
        let header = parse_header(token).ok_or_else(invalid)?;
        // RFC 7515, section 4.1.9: the prefix `application/` is optional.
        let typ = header
            .typ
            .strip_prefix("application/")
            .unwrap_or(&header.typ);
        if typ != kind.typ() || header.alg != "ES256" {
            return Err(invalid());
        }
        let keys = self.keys();
        let key = keys.verifying_key(&header.kid, now()).ok_or_else(invalid)?;
        let mut validation = Validation::new(Algorithm::ES256);
        // The crate would compare the times with the clock of this machine.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.name]);
        validation.set_audience(audiences);
        let data = jsonwebtoken::decode::<C>(token, key, &validation).map_err(|_| invalid())?;
        let is_valid = ValidityClaims::parse(token).is_some_and(|claims| claims.contains(now()));
        is_valid.then_some(data.claims).ok_or_else(invalid)
    }

    #[expect(clippy::unused_self, reason = "a check on the issuer's tokens")]
    fn check_issued_at(&self, iat: i64) -> Result<(), AppError> {
        if (0..=now() + Self::LEEWAY).contains(&iat) {
            Ok(())
        } else {
            Err(Code::AuthTokenInvalid.into())
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    clock::now().timestamp()
}

fn parse_header(token: &str) -> Option<TokenHeader> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
