//! The public and private keys of access tokens, as they are in memory.

use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};

use crate::platform::error::AppError;

/// The keys that have not expired, the last to become active first.
pub struct KeySet {
    keys: Vec<AccessTokenKeyPair>,
}

/// A key pair that signs or has signed access tokens.
pub struct AccessTokenKeyPair {
    /// The key id: the RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// The private key.
    pub signing: EncodingKey,
    /// The public key.
    pub verifying: DecodingKey,
    /// The public key as a JWK.
    pub public_jwk: Value,
    /// When it starts to sign.
    pub active_at: DateTime<Utc>,
    /// When its last token has expired; `None` for the newest key.
    pub expires_at: Option<DateTime<Utc>>,
}

impl AccessTokenKeyPair {
    fn is_accepted(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end.timestamp())
    }
}

impl KeySet {
    /// A set of keys, the last to become active first.
    #[must_use]
    pub const fn new(keys: Vec<AccessTokenKeyPair>) -> Self {
        Self { keys }
    }

    /// The key that signs at `now` (seconds since 1970), and its id: the last that has become active. If none has, because
    /// clocks differ, the first that will.
    ///
    /// # Errors
    /// When the set is empty.
    pub fn signing_key(&self, now: i64) -> Result<(&str, &EncodingKey), AppError> {
        self.keys
            .iter()
            .find(|key| key.active_at.timestamp() <= now)
            .or(self.keys.last())
            .map(|key| (key.kid.as_str(), &key.signing))
            .ok_or_else(|| AppError::internal("there is no signing key"))
    }

    /// The public key with this id, if its tokens are accepted at `now` (seconds since 1970).
    #[must_use]
    pub fn verifying_key(&self, kid: &str, now: i64) -> Option<&DecodingKey> {
        self.keys
            .iter()
            .find(|key| key.kid == kid)
            .filter(|key| key.is_accepted(now))
            .map(|key| &key.verifying)
    }

    /// The public keys at `now` (seconds since 1970) as a JWK set (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self, now: i64) -> Value {
        let accepted = self.keys.iter().filter(|key| key.is_accepted(now));
        json!({"keys": accepted.map(|key| &key.public_jwk).collect::<Vec<_>>()})
    }
}
