//! Access tokens: JWTs of the profile RFC 9068, signed with ES256. No other algorithm and no other header is accepted,
//! whatever a token says of itself (RFC 8725). Whether the session behind a token still lives is not decided here.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header, Validation};
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cache::Credential;
use super::keys::KeySet;
use super::principal::Principal;
use crate::platform::crypto::{self, TokenKind};
use crate::platform::error::{AppError, Code};
use crate::platform::ids::{ClientId, GrantId, SessionId, UserId};

/// The client that people sign in through: a public one, without a secret (RFC 6749, section 2.1).
pub const FIRST_PARTY: &str = "rosterd";

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer: `ROSTERD_PUBLIC_URL`.
    pub iss: String,
    /// Whom it acts for.
    pub sub: Principal,
    /// The audience: `ROSTERD_AUDIENCE`.
    pub aud: String,
    /// Seconds since 1970: when it ends.
    pub exp: i64,
    /// Seconds since 1970: when it was made.
    pub iat: i64,
    /// The token's own id.
    pub jti: Uuid,
    /// Through which client: [`FIRST_PARTY`] for those who sign in, itself for a service client.
    pub client_id: String,
    /// The session, or what the service client was given with this token: when it ends, so does the token.
    pub sid: Uuid,
    /// The account's role when the token was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// A service client's `permissions` once more, as RFC 9068, section 2.2.3, writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What was permitted when the token was made.
    pub permissions: Vec<String>,
}

impl Claims {
    /// What is to be looked up, to know whether the token still counts.
    const fn credential(&self) -> Credential {
        match self.sub {
            Principal::User(_) => Credential::Session(SessionId(self.sid)),
            Principal::Client(_) => Credential::Client(GrantId(self.sid)),
        }
    }

    /// Whether it has what tokens of its kind have.
    const fn is_whole(&self) -> bool {
        match self.sub {
            Principal::User(_) => self.role.is_some(),
            Principal::Client(_) => self.scope.is_some(),
        }
    }
}

/// What the token says that a forced change of password needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChangeClaims {
    iss: String,
    sub: UserId,
    aud: String,
    exp: i64,
    iat: i64,
    jti: Uuid,
    /// The password that was right; when it has been changed, the token is spent.
    password_version: i64,
}

/// What a bearer token says of itself, once it is known to be ours.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// What is to be looked up.
    pub credential: Credential,
    /// Whose it says it is, if it does.
    subject: Option<Uuid>,
}

impl Presented {
    /// Whether it may be this party's: no access token stands for another account than the one it names.
    #[must_use]
    pub fn is_of(&self, party: Uuid) -> bool {
        self.subject.is_none_or(|subject| subject == party)
    }
}

/// The two kinds of token, told apart by the header's `typ`, so that none passes for the other.
#[derive(Clone, Copy)]
enum Kind {
    Access,
    Change,
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Change => "change+jwt",
        }
    }
}

/// The only header members that a token of ours has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnHeader {
    typ: String,
    alg: String,
    kid: String,
}

/// Makes and reads tokens.
pub struct Issuer {
    name: String,
    audience: String,
    lifetime: TimeDelta,
    keys: RwLock<Arc<KeySet>>,
    /// What the access tokens say that were verified under these keys, by digest, and when they end.
    verified: Cache<[u8; 32], (Presented, i64)>,
}

impl Issuer {
    /// How far clocks may differ, in seconds.
    const LEEWAY: i64 = 30;

    /// An issuer called `name`, for `audience`, whose access tokens live for `lifetime`.
    #[must_use]
    pub fn new(name: String, audience: String, lifetime: TimeDelta, keys: KeySet) -> Self {
        Self {
            name,
            audience,
            lifetime,
            keys: RwLock::new(Arc::new(keys)),
            verified: Cache::new(50_000),
        }
    }

    /// The public keys at this moment as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.keys().jwks(now())
    }

    /// The keys in use.
    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other keys to use.
    pub fn set_keys(&self, keys: KeySet) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.verified.clear();
    }

    /// Makes an access token and says when it ends: after its lifetime, and never after its session.
    ///
    /// # Errors
    /// When signing fails.
    pub fn access_token(
        &self,
        account: UserId,
        session: SessionId,
        role: String,
        permissions: Vec<String>,
        now: DateTime<Utc>,
        session_end: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), AppError> {
        let end = self.end(now).min(session_end.trunc_subsecs(0));
        let claims = Claims {
            client_id: FIRST_PARTY.to_owned(),
            role: Some(role),
            ..self.claims(Principal::User(account), session.0, permissions, now, end)
        };
        Ok((self.sign(Kind::Access, &claims)?, end))
    }

    /// Makes an access token of a service client; it ends when [`Issuer::end`] says.
    ///
    /// # Errors
    /// When signing fails.
    pub fn client_token(
        &self,
        client: ClientId,
        grant: GrantId,
        permissions: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<String, AppError> {
        let sub = Principal::Client(client);
        let claims = Claims {
            client_id: client.to_string(),
            scope: Some(permissions.join(" ")),
            ..self.claims(sub, grant.0, permissions, now, self.end(now))
        };
        self.sign(Kind::Access, &claims)
    }

    /// When an access token ends that is made `now`. The claim has whole seconds; nobody is told of a fraction for which the
    /// token is already dead.
    #[must_use]
    pub fn end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.lifetime).trunc_subsecs(0)
    }

    /// What every access token says.
    fn claims(
        &self,
        sub: Principal,
        sid: Uuid,
        permissions: Vec<String>,
        now: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Claims {
        Claims {
            iss: self.name.clone(),
            sub,
            aud: self.audience.clone(),
            exp: end.timestamp(),
            iat: now.timestamp(),
            jti: Uuid::new_v4(),
            client_id: String::new(),
            sid,
            role: None,
            scope: None,
            permissions,
        }
    }

    /// The issuer's name: `ROSTERD_PUBLIC_URL`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For whom access tokens are: `ROSTERD_AUDIENCE`.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// What a bearer token of ours is. An access token that was verified before is not verified again.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] for a token that is not ours, or has ended.
    pub fn present(&self, token: &str) -> Result<Presented, AppError> {
        if TokenKind::PersonalToken.is_on(token) {
            return Ok(Presented {
                credential: Credential::Token(crypto::digest(token)),
                subject: None,
            });
        }
        let digest = crypto::digest(token);
        if let Some((presented, end)) = self.verified.get(&digest) {
            return if now() < end {
                Ok(presented)
            } else {
                Err(Code::AuthTokenInvalid.into())
            };
        }
        let generation = self.keys();
        let claims = self.verify(token)?;
        let presented = Presented {
            credential: claims.credential(),
            subject: Some(claims.sub.id()),
        };
        self.verified.insert(digest, (presented, claims.exp));
        if !Arc::ptr_eq(&generation, &self.keys()) {
            self.verified.remove(&digest);
        }
        Ok(presented)
    }

    /// The claims of an access token of ours that has not ended.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] for anything else.
    pub fn verify(&self, token: &str) -> Result<Claims, AppError> {
        let claims: Claims = self.read(Kind::Access, &self.audience, token)?;
        self.was_made_by_now(claims.iat)?;
        if claims.is_whole() {
            Ok(claims)
        } else {
            Err(Code::AuthTokenInvalid.into())
        }
    }

    /// Makes the token that is good only for changing the password, for ten minutes.
    ///
    /// # Errors
    /// When signing fails.
    pub fn change_token(
        &self,
        account: UserId,
        password_version: i64,
        now: DateTime<Utc>,
    ) -> Result<String, AppError> {
        self.sign(
            Kind::Change,
            &ChangeClaims {
                iss: self.name.clone(),
                sub: account,
                aud: self.name.clone(),
                exp: (now + TimeDelta::minutes(10)).timestamp(),
                iat: now.timestamp(),
                jti: Uuid::new_v4(),
                password_version,
            },
        )
    }

    /// The account, and the version of its password, for which a change token was made.
    ///
    /// # Errors
    /// [`Code::AuthTokenInvalid`] for anything else.
    pub fn verify_change_token(&self, token: &str) -> Result<(UserId, i64), AppError> {
        let claims: ChangeClaims = self.read(Kind::Change, &self.name, token)?;
        self.was_made_by_now(claims.iat)?;
        Ok((claims.sub, claims.password_version))
    }

    fn sign(&self, kind: Kind, claims: &impl Serialize) -> Result<String, AppError> {
        let keys = self.keys();
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.typ().to_owned());
        let (id, key) = keys.signing(now())?;
        header.kid = Some(id.to_owned());
        jsonwebtoken::encode(&header, claims, key).map_err(AppError::internal)
    }

    fn read<C: DeserializeOwned + Clone>(
        &self,
        kind: Kind,
        audience: &str,
        token: &str,
    ) -> Result<C, AppError> {
        let bad = || AppError::new(Code::AuthTokenInvalid);
        let header = own_header(token).ok_or_else(bad)?;
        // RFC 7515, section 4.1.9: the prefix `application/` may be there or not.
        let typ = header
            .typ
            .strip_prefix("application/")
            .unwrap_or(&header.typ);
        if typ != kind.typ() || header.alg != "ES256" {
            return Err(bad());
        }
        let keys = self.keys();
        let key = keys.verifying(&header.kid, now()).ok_or_else(bad)?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.leeway = 0;
        // In the second of its end a token is over (RFC 7519, section 4.1.4).
        rules.reject_tokens_expiring_in_less_than = 1;
        rules.validate_nbf = true;
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&self.name]);
        rules.set_audience(&[audience]);
        jsonwebtoken::decode::<C>(token, key, &rules)
            .map(|data| data.claims)
            .map_err(|_| bad())
    }

    #[expect(clippy::unused_self, reason = "a rule of the issuer's tokens")]
    fn was_made_by_now(&self, iat: i64) -> Result<(), AppError> {
        if (0..=now() + Self::LEEWAY).contains(&iat) {
            Ok(())
        } else {
            Err(Code::AuthTokenInvalid.into())
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap_or(i64::MAX)
}

fn own_header(token: &str) -> Option<OwnHeader> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
