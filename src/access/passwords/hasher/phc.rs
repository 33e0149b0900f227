//! Password hashes as text (PHC strings, `$argon2id$v=19$m=…,t=…,p=…$salt$output`) and as the parts that
//! verifying needs. Only Argon2 is known; another scheme would be told by its prefix in [`Reference::parse`].

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;

use super::arena::{Arena, HashFailed};
use super::params::{HashParams, OUTPUT_BYTES, is_ruinous};

/// More lanes than any known tool writes.
const MOST_LANES: u32 = 64;

/// A stored password hash. It has no `Debug` and no `Serialize`: it belongs in the database only.
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes what the database holds as it is; whether it can be verified shows when it is.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Takes a hash from elsewhere, such as an import, if it can be verified here: Argon2 of any variant
    /// and at any cost that is not ruinous. A weak one is replaced at its owner's next login.
    ///
    /// # Errors
    /// Why it cannot be verified.
    pub fn parse(text: String) -> Result<Self, UnsupportedHash> {
        let hash = Self(text);
        Reference::parse(&hash)?;
        Ok(hash)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a hash cannot be verified. The message never repeats any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsupportedHash {
    /// Not a complete PHC string.
    #[error("the password hash is not a complete PHC string")]
    Malformed,
    /// Not Argon2, or a version of it that does not exist.
    #[error("the password hash is not Argon2 of version 16 or 19")]
    Scheme,
    /// Parameters that are missing, impossible or would exhaust the machine.
    #[error("the password hash has parameters that are missing, impossible or too costly")]
    Params,
}

/// A hash taken apart: everything needed to compute it again, and the output to compare.
pub(super) struct Reference {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Reference {
    /// Hashes a password at this cost with a fresh salt of 16 bytes.
    pub(super) fn make(
        arena: &mut Arena,
        params: HashParams,
        password: &[u8],
    ) -> Result<Self, HashFailed> {
        let argon2 = params.argon2()?;
        let salt = Salt::generate();
        let output = arena.digest(&argon2, password, &salt, OUTPUT_BYTES)?;
        Ok(Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: argon2.params().clone(),
            salt,
            output,
        })
    }

    /// Takes a stored hash apart.
    pub(super) fn parse(hash: &PasswordHash) -> Result<Self, UnsupportedHash> {
        if !hash.as_str().starts_with("$argon2") {
            return Err(UnsupportedHash::Scheme);
        }
        let parts =
            phc::PasswordHash::new(hash.as_str()).map_err(|_| UnsupportedHash::Malformed)?;
        let algorithm =
            Algorithm::new(parts.algorithm.as_str()).map_err(|_| UnsupportedHash::Scheme)?;
        // Strings written before the version was part of them are of version 16.
        let version = parts.version.unwrap_or(Version::V0x10.into());
        let version = Version::try_from(version).map_err(|_| UnsupportedHash::Scheme)?;
        let params = Params::try_from(&parts).map_err(|_| UnsupportedHash::Params)?;
        if !are_complete(&parts.params) || is_excessive(&params) {
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

    /// Whether the password gives the same output, at the cost of this hash. The outputs are compared in
    /// constant time (`Output`'s equality is).
    pub(super) fn matches(&self, arena: &mut Arena, password: &[u8]) -> Result<bool, HashFailed> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let computed = arena.digest(&argon2, password, &self.salt, self.output.len())?;
        Ok(computed == self.output)
    }

    /// Whether a new hash at this cost would be made in the same way.
    pub(super) fn is_made_with(&self, params: HashParams) -> bool {
        params
            .argon2()
            .is_ok_and(|argon2| *argon2.params() == self.params)
            && self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.salt.len() >= Salt::RECOMMENDED_LENGTH
    }

    /// The PHC string.
    pub(super) fn to_hash(&self) -> Result<PasswordHash, HashFailed> {
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

/// Argon2's parameters have no defaults in a PHC string; the parser would fill in its own.
fn are_complete(params: &ParamsString) -> bool {
    ["m", "t", "p"]
        .iter()
        .all(|name| params.get(*name).is_some())
}

fn is_excessive(params: &Params) -> bool {
    is_ruinous(params.m_cost(), params.t_cost()) || params.p_cost() > MOST_LANES
}
