//! The keyed part of the service: encryption at rest, keyed hashes and random tokens, all under `ROSTERD_SECRET_KEY`.
//! It stores nothing.

mod prefixed_token;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::platform::error::AppError;
pub use prefixed_token::TokenKind;

/// What a derived key is for. A value made for one purpose is worthless for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Private signing keys at rest.
    SigningKey,
    /// Answers kept for an idempotent retry.
    KeptReply,
    /// Telling whether two requests with one idempotency key are the same.
    RequestBody,
    /// The successor of a refresh token.
    RefreshSuccessor,
    /// Cursors handed to callers.
    Cursor,
    /// What stands for a name that no account has, where the name itself must not be kept.
    LoginName,
    /// Letters that are to be sent.
    OutgoingMail,
    /// The places in the hash chain over the audit log.
    AuditChain,
    /// What a browser is known by where its account signed in before.
    DeviceCookie,
}

impl Purpose {
    const ALL: [Self; 9] = [
        Self::SigningKey,
        Self::KeptReply,
        Self::RequestBody,
        Self::RefreshSuccessor,
        Self::Cursor,
        Self::LoginName,
        Self::OutgoingMail,
        Self::AuditChain,
        Self::DeviceCookie,
    ];

    const fn label(self) -> &'static [u8] {
        match self {
            Self::SigningKey => b"rosterd signing key v1",
            Self::KeptReply => b"rosterd kept reply v1",
            Self::RequestBody => b"rosterd request body v1",
            Self::RefreshSuccessor => b"rosterd refresh successor v1",
            Self::Cursor => b"rosterd cursor v1",
            Self::LoginName => b"rosterd login name v1",
            Self::OutgoingMail => b"rosterd outgoing mail v1",
            Self::AuditChain => b"rosterd audit chain v1",
            Self::DeviceCookie => b"rosterd device cookie v1",
        }
    }
}

/// The keys derived from `ROSTERD_SECRET_KEY` (HKDF-SHA-256, RFC 5869), one for each [`Purpose`].
pub struct Vault {
    keys: [[u8; 32]; Purpose::ALL.len()],
}

impl Vault {
    /// Derives the keys.
    ///
    /// # Errors
    /// Never for a key of 32 bytes; the derivation's own signature can fail.
    pub fn new(secret: &[u8; 32]) -> Result<Self, AppError> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"rosterd").extract(secret);
        let mut keys = [[0; 32]; Purpose::ALL.len()];
        for (key, purpose) in keys.iter_mut().zip(Purpose::ALL) {
            root.expand(&[purpose.label()], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(key))
                .map_err(broken)?;
        }
        Ok(Self { keys })
    }

    /// Encrypts with AES-256-GCM under a random nonce, bound to `context` (for instance the row's id).
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn seal(
        &self,
        purpose: Purpose,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, AppError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .cipher(purpose)?
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(broken)?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    /// Reverses [`Vault::seal`].
    ///
    /// # Errors
    /// When the bytes were sealed under another key, for another purpose or context, or were changed.
    pub fn open(
        &self,
        purpose: Purpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, AppError> {
        let (nonce, body) = sealed.split_at_checked(12).ok_or_else(|| broken("short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(broken)?;
        let mut body = body.to_vec();
        let plain = self
            .cipher(purpose)?
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| {
                broken("what is stored was not encrypted under this ROSTERD_SECRET_KEY")
            })?;
        Ok(plain.to_vec())
    }

    /// The keyed hash (HMAC-SHA-256) of `data`.
    #[must_use]
    pub fn mac(&self, purpose: Purpose, data: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.mac_key(purpose), data).as_ref());
        out
    }

    /// The key for keyed hashes of one purpose, for those who keep it.
    #[must_use]
    pub fn mac_key(&self, purpose: Purpose) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.key(purpose))
    }

    fn cipher(&self, purpose: Purpose) -> Result<RandomizedNonceKey, AppError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.key(purpose)).map_err(broken)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the array has one place for each purpose"
    )]
    fn key(&self, purpose: Purpose) -> &[u8; 32] {
        &self.keys[purpose as usize]
    }
}

/// Random bytes from the operating system's generator.
///
/// # Errors
/// When there are none to be had.
pub fn random<const N: usize>() -> Result<[u8; N], AppError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

/// A secret that a bearer presents and that is stored only as its [`digest()`]: 256 bits, base64url without padding.
///
/// # Errors
/// When there is no randomness to be had.
pub fn bearer_secret() -> Result<String, AppError> {
    random::<32>().map(|bytes| base64url(&bytes))
}

/// A password for a person to copy: five groups of five letters and digits, 125 bits.
///
/// # Errors
/// When there is no randomness to be had.
pub fn passphrase() -> Result<String, AppError> {
    // No letter or digit that is easily taken for another.
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = random::<25>()?;
    let letters =
        bytes.map(|byte| char::from(LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'x')));
    Ok(letters
        .chunks(5)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-"))
}

/// The SHA-256 digest under which a bearer secret is stored. A plain one will do: the secret has 256 bits.
#[must_use]
pub fn digest(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    out
}

/// base64url without padding (RFC 4648, section 5).
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Compares in a time that does not depend on where the two differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

fn broken(cause: impl std::fmt::Debug) -> AppError {
    AppError::internal(format!("cryptography: {cause:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_for_its_purpose_and_context() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let sealed = vault.seal(Purpose::SigningKey, b"a", b"secret").unwrap();
        assert_eq!(
            vault.open(Purpose::SigningKey, b"a", &sealed).unwrap(),
            b"secret"
        );
        assert!(vault.open(Purpose::SigningKey, b"b", &sealed).is_err());
        assert!(vault.open(Purpose::KeptReply, b"a", &sealed).is_err());
        assert!(
            Vault::new(&[8; 32])
                .unwrap()
                .open(Purpose::SigningKey, b"a", &sealed)
                .is_err()
        );
        assert!(vault.open(Purpose::SigningKey, b"a", b"short").is_err());
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let macs = Purpose::ALL.map(|purpose| vault.mac(purpose, b"x"));
        for (i, mac) in macs.iter().enumerate() {
            assert_eq!(macs.iter().position(|other| other == mac), Some(i));
        }
    }
}
