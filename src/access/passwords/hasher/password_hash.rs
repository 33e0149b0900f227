//! Password hashes as PHC strings (`$argon2id$v=19$m=…,t=…,p=…$salt$output`) and in parsed form. Only Argon2 is supported;
//! [`ParsedHash::parse`] is the place to detect other schemes by their prefix.

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;

use super::hash_params::{HashParams, OUTPUT_BYTES, is_too_costly};
use super::working_memory::{HashError, HashMemory};
use crate::access::passwords::pepper::Pepper;

/// Hashes with more lanes (the parameter `p`) are refused. No known tool creates them.
const MAX_LANES: u32 = 64;

/// A password hash as a PHC string. It has no `Debug` and no `Serialize`, because it must only be stored in the database.
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a hash from the database without validation. Verifying reports an unsupported hash.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Validates a hash from another system. Any Argon2 variant with acceptable cost is supported. A weak hash is replaced at
    /// the user's next sign-in.
    ///
    /// # Errors
    /// If the hash is not supported.
    pub fn parse(text: String) -> Result<Self, UnsupportedHash> {
        let hash = Self(text);
        ParsedHash::parse(&hash)?;
        Ok(hash)
    }

    /// The `keyid` of the pepper that the hash was computed with. Empty without a pepper, or for an unsupported hash.
    pub(super) fn pepper_id(&self) -> Vec<u8> {
        ParsedHash::parse(self)
            .map(|hash| hash.pepper_id().to_vec())
            .unwrap_or_default()
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a hash is not supported. The message contains no part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsupportedHash {
    /// Not a complete PHC string.
    #[error("the password hash is not a complete PHC string")]
    Malformed,
    /// Not Argon2, or an unknown version of it.
    #[error("the password hash is not Argon2 version 16 or 19")]
    Scheme,
    /// Parameters that are missing, invalid or too expensive.
    #[error("the password hash has missing, invalid or too expensive parameters")]
    Params,
    /// Computed with a pepper that is not known here.
    #[error("the password hash was computed with an unknown pepper (keyid)")]
    Pepper,
}

/// A parsed hash: the parameters to compute it again, and the expected output.
pub(super) struct ParsedHash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl ParsedHash {
    /// Hashes a password with a new random salt of 16 bytes, and with the pepper if there is one.
    pub(super) fn compute(
        memory: &mut HashMemory,
        params: HashParams,
        pepper: Option<&Pepper>,
        password: &[u8],
    ) -> Result<Self, HashError> {
        let argon2 = params.argon2(pepper)?;
        let salt = Salt::generate();
        let output = memory.compute(&argon2, password, &salt, OUTPUT_BYTES)?;
        Ok(Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: argon2.params().clone(),
            salt,
            output,
        })
    }

    /// Parses a PHC string.
    pub(super) fn parse(hash: &PasswordHash) -> Result<Self, UnsupportedHash> {
        if !hash.as_str().starts_with("$argon2") {
            return Err(UnsupportedHash::Scheme);
        }
        let parts =
            phc::PasswordHash::new(hash.as_str()).map_err(|_| UnsupportedHash::Malformed)?;
        let algorithm =
            Algorithm::new(parts.algorithm.as_str()).map_err(|_| UnsupportedHash::Scheme)?;
        // Strings without a version are from before versions were introduced, which is version 16.
        let version = parts.version.unwrap_or(Version::V0x10.into());
        let version = Version::try_from(version).map_err(|_| UnsupportedHash::Scheme)?;
        let params = Params::try_from(&parts).map_err(|_| UnsupportedHash::Params)?;
        if !has_all_params(&parts.params) || exceeds_limits(&params) {
            return Err(UnsupportedHash::Params);
        }
        let (Some(salt), Some(output)) = (parts.salt, parts.hash) else {
            return Err(UnsupportedHash::Malformed);
        };
        Ok(Self {
            algorithm,
            version,
            params,
            salt,
            output,
        })
    }

    /// The `keyid` of the pepper that the hash was computed with, or nothing.
    pub(super) fn pepper_id(&self) -> &[u8] {
        self.params.keyid()
    }

    /// Whether the password matches this hash. `pepper` is the one with the hash's id. `Output` compares in constant time.
    pub(super) fn matches(
        &self,
        memory: &mut HashMemory,
        pepper: Option<&Pepper>,
        password: &[u8],
    ) -> Result<bool, HashError> {
        let params = self.params.clone();
        let argon2 = match pepper {
            None => Argon2::new(self.algorithm, self.version, params),
            Some(pepper) => {
                let secret = pepper.secret.as_slice();
                Argon2::new_with_secret(secret, self.algorithm, self.version, params)?
            }
        };
        let output = memory.compute(&argon2, password, &self.salt, self.output.len())?;
        Ok(output == self.output)
    }

    /// Does the work by which this hash is cheaper than one with `params`, so that the time of a wrong password does not
    /// reveal that the account has an imported hash.
    pub(super) fn pad(
        &self,
        memory: &mut HashMemory,
        params: HashParams,
        password: &[u8],
    ) -> Result<(), HashError> {
        if let Some(padding) = params.padding_for(&self.params) {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, padding);
            memory.compute(&argon2, password, &self.salt, OUTPUT_BYTES)?;
        }
        Ok(())
    }

    /// Whether a new hash with these parameters would have the same algorithm, version, parameters and salt length, and the
    /// same pepper. Without a current pepper, a hash with an older one is kept.
    pub(super) fn has_params(&self, params: HashParams, pepper: Option<&Pepper>) -> bool {
        let cost = |params: &Params| {
            let output_bytes = params.output_len().unwrap_or(OUTPUT_BYTES);
            (
                params.m_cost(),
                params.t_cost(),
                params.p_cost(),
                output_bytes,
            )
        };
        params
            .argon2(None)
            .is_ok_and(|argon2| cost(argon2.params()) == cost(&self.params))
            && pepper.is_none_or(|pepper| pepper.id == self.pepper_id())
            && self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.salt.len() >= Salt::RECOMMENDED_LENGTH
    }

    /// Formats the hash as a PHC string.
    pub(super) fn to_password_hash(&self) -> Result<PasswordHash, HashError> {
        let params =
            ParamsString::try_from(&self.params).map_err(|_| phc::Error::ParamValueInvalid)?;
        let parts = phc::PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params,
            salt: Some(self.salt),
            hash: Some(self.output),
        };
        Ok(PasswordHash(parts.to_string()))
    }
}

/// Whether no parameter is missing. The parser would otherwise use its own defaults.
fn has_all_params(params: &ParamsString) -> bool {
    ["m", "t", "p"]
        .iter()
        .all(|name| params.get(*name).is_some())
}

fn exceeds_limits(params: &Params) -> bool {
    is_too_costly(params.m_cost(), params.t_cost()) || params.p_cost() > MAX_LANES
}
