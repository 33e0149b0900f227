//! Cryptography: encryption at rest and keyed hashes with keys derived from `ROSTERD_SECRET_KEY`, and random secrets.
//! Stores nothing.

mod prefixed_token;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::platform::error::AppError;
pub use prefixed_token::TokenKind;

/// What a derived key is used for. A value that was encrypted or hashed for one purpose is not valid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Encrypts private signing keys at rest.
    SigningKey,
    /// Encrypts the stored responses of idempotent requests.
    IdempotencyResponse,
    /// Hashes request bodies, to detect that an idempotency key is reused with another body.
    IdempotencyRequest,
    /// Derives the successor of a refresh token.
    RefreshSuccessor,
    /// Signs pagination cursors.
    Cursor,
    /// Hashes unknown usernames, which are not stored in clear text.
    UnknownUsername,
    /// Encrypts mail in the outbox.
    OutgoingMail,
    /// Authenticates the hash chain of the audit log.
    AuditChain,
    /// Signs the cookie that marks a browser as known to an account.
    DeviceCookie,
    /// Derives the token of a reset link from the link's id.
    ResetLink,
    /// Hashes mail addresses, to count the messages that each receives.
    MailRecipient,
    /// Identifies `ROSTERD_SECRET_KEY` without disclosing it.
    SecretKeyId,
    /// Encrypts the peppers of password hashes.
    PasswordPepper,
}

impl KeyPurpose {
    const ALL: [Self; 13] = [
        Self::SigningKey,
        Self::IdempotencyResponse,
        Self::IdempotencyRequest,
        Self::RefreshSuccessor,
        Self::Cursor,
        Self::UnknownUsername,
        Self::OutgoingMail,
        Self::AuditChain,
        Self::DeviceCookie,
        Self::ResetLink,
        Self::MailRecipient,
        Self::SecretKeyId,
        Self::PasswordPepper,
    ];

    /// The `info` parameter of the key derivation. Changing a label changes the key.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::SigningKey => b"rosterd signing key v1",
            Self::IdempotencyResponse => b"rosterd kept reply v1",
            Self::IdempotencyRequest => b"rosterd request body v1",
            Self::RefreshSuccessor => b"rosterd refresh successor v1",
            Self::Cursor => b"rosterd cursor v1",
            Self::UnknownUsername => b"rosterd login name v1",
            Self::OutgoingMail => b"rosterd outgoing mail v1",
            Self::AuditChain => b"rosterd audit chain v1",
            Self::DeviceCookie => b"rosterd device cookie v1",
            Self::ResetLink => b"rosterd reset link v1",
            Self::MailRecipient => b"rosterd mail recipient v1",
            Self::SecretKeyId => b"rosterd secret key id v1",
            Self::PasswordPepper => b"rosterd password pepper v1",
        }
    }
}

/// Encrypts and hashes with keys derived from `ROSTERD_SECRET_KEY`. While that key is being replaced, what was encrypted or
/// hashed with `ROSTERD_SECRET_KEY_PREVIOUS` is accepted too. The keys are wiped from memory when the value is dropped.
pub struct Vault {
    current: DerivedKeys,
    previous: Option<DerivedKeys>,
}

/// The keys derived from one secret (HKDF-SHA-256, RFC 5869), one for each [`KeyPurpose`].
struct DerivedKeys(Zeroizing<[[u8; 32]; KeyPurpose::ALL.len()]>);

impl Vault {
    /// Derives the keys from `ROSTERD_SECRET_KEY`.
    ///
    /// # Errors
    /// None in practice; HKDF fails only for a longer output.
    pub fn new(secret: &[u8; 32]) -> Result<Self, AppError> {
        Self::with_previous(secret, None)
    }

    /// Derives the keys from `ROSTERD_SECRET_KEY` and from `ROSTERD_SECRET_KEY_PREVIOUS`, if it is set.
    ///
    /// # Errors
    /// See [`Vault::new`].
    pub fn with_previous(secret: &[u8; 32], previous: Option<&[u8; 32]>) -> Result<Self, AppError> {
        Ok(Self {
            current: DerivedKeys::derive(secret)?,
            previous: previous.map(DerivedKeys::derive).transpose()?,
        })
    }

    /// Whether there is a previous key.
    #[must_use]
    pub const fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// Encrypts with AES-256-GCM and a random nonce. `context`, for example the row's id, is authenticated: decryption
    /// needs the same one. Returns nonce, ciphertext and tag.
    ///
    /// # Errors
    /// A failure of the cryptographic library.
    pub fn seal(
        &self,
        purpose: KeyPurpose,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, AppError> {
        let mut ciphertext = plaintext.to_vec();
        let nonce = self
            .current
            .cipher(purpose)?
            .seal_in_place_append_tag(Aad::from(context), &mut ciphertext)
            .map_err(crypto_error)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut ciphertext);
        Ok(sealed)
    }

    /// Decrypts the result of [`Vault::seal`], with the current or the previous key. The plaintext is wiped from memory when it
    /// is dropped.
    ///
    /// # Errors
    /// The data was encrypted with another key, purpose or context, or was changed.
    pub fn open(
        &self,
        purpose: KeyPurpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, AppError> {
        match (self.current.open(purpose, context, sealed), &self.previous) {
            (Err(_), Some(previous)) => previous.open(purpose, context, sealed),
            (result, _) => result,
        }
    }

    /// Encrypts with the current key what was encrypted with the previous one. `None` if the current key decrypts it.
    ///
    /// # Errors
    /// Neither key decrypts it.
    pub fn reseal(
        &self,
        purpose: KeyPurpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, AppError> {
        if self.current.open(purpose, context, sealed).is_ok() {
            return Ok(None);
        }
        let plaintext = self.open(purpose, context, sealed)?;
        self.seal(purpose, context, &plaintext).map(Some)
    }

    /// The keyed hash (HMAC-SHA-256) of `data`.
    #[must_use]
    pub fn mac(&self, purpose: KeyPurpose, data: &[u8]) -> [u8; 32] {
        self.current.mac(purpose, data)
    }

    /// The keyed hash of `data` with the previous key, if there is one.
    #[must_use]
    pub fn previous_mac(&self, purpose: KeyPurpose, data: &[u8]) -> Option<[u8; 32]> {
        Some(self.previous.as_ref()?.mac(purpose, data))
    }

    /// Whether this is the keyed hash of `data` with the current or the previous key.
    #[must_use]
    pub fn is_mac_valid(&self, purpose: KeyPurpose, data: &[u8], mac: &[u8]) -> bool {
        let previous = self.previous_mac(purpose, data);
        constant_time_eq(mac, &self.mac(purpose, data))
            || previous.is_some_and(|previous| constant_time_eq(mac, &previous))
    }
}

impl DerivedKeys {
    fn derive(secret: &[u8; 32]) -> Result<Self, AppError> {
        let pseudorandom_key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"rosterd").extract(secret);
        let mut keys = Zeroizing::new([[0; 32]; KeyPurpose::ALL.len()]);
        for (key, purpose) in keys.iter_mut().zip(KeyPurpose::ALL) {
            pseudorandom_key
                .expand(&[purpose.label()], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(key))
                .map_err(crypto_error)?;
        }
        Ok(Self(keys))
    }

    fn open(
        &self,
        purpose: KeyPurpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, AppError> {
        let (nonce, ciphertext) = sealed
            .split_at_checked(12)
            .ok_or_else(|| crypto_error("the encrypted value is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(crypto_error)?;
        // Decrypted in place, so that there is one copy of the plaintext.
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .cipher(purpose)?
            .open_in_place(nonce, Aad::from(context), &mut buffer)
            .map_err(|_| {
                AppError::internal(
                    "the database was encrypted with another ROSTERD_SECRET_KEY: restore the key that belongs to it",
                )
            })?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    fn mac(&self, purpose: KeyPurpose, data: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key(purpose));
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&key, data).as_ref());
        mac
    }

    fn cipher(&self, purpose: KeyPurpose) -> Result<RandomizedNonceKey, AppError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.key(purpose)).map_err(crypto_error)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the array has one element for each purpose"
    )]
    fn key(&self, purpose: KeyPurpose) -> &[u8; 32] {
        &self.0[purpose as usize]
    }
}

/// Random bytes from a cryptographically secure generator.
///
/// # Errors
/// The generator fails.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], AppError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(crypto_error)?;
    Ok(bytes)
}

/// A random bearer secret of 256 bits in base64url. Only its [`digest()`] is stored.
///
/// # Errors
/// The random generator fails.
pub fn generate_bearer_secret() -> Result<String, AppError> {
    random_bytes::<32>().map(|bytes| encode_base64url(&bytes))
}

/// A random password that is easy to copy by hand: six groups of five letters and digits, 150 bits. OWASP ASVS 11.5.1 asks for
/// at least 128.
///
/// # Errors
/// The random generator fails.
pub fn generate_password() -> Result<String, AppError> {
    // Without l, o, 0 and 1, which are easily confused.
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = random_bytes::<30>()?;
    let characters = bytes.map(|byte| {
        char::from(
            ALPHABET
                .get(usize::from(byte % 32))
                .copied()
                .unwrap_or(b'x'),
        )
    });
    Ok(characters
        .chunks(5)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-"))
}

/// The SHA-256 digest that is stored instead of a bearer secret. It needs no salt and no slow hash, because the secret has
/// 256 random bits.
#[must_use]
pub fn digest(secret: &str) -> [u8; 32] {
    sha256(secret.as_bytes())
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// base64url without padding (RFC 4648, section 5).
#[must_use]
pub fn encode_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Compares in constant time: the duration does not depend on where the slices differ.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn crypto_error(cause: impl std::fmt::Debug) -> AppError {
    AppError::internal(format!("cryptography: {cause:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::ZeroizeOnDrop;

    #[test]
    fn sealed_value_opens_only_with_the_same_key_purpose_and_context() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let sealed = vault.seal(KeyPurpose::SigningKey, b"a", b"secret").unwrap();
        let open = |purpose, context| vault.open(purpose, context, &sealed);
        assert_eq!(*open(KeyPurpose::SigningKey, b"a").unwrap(), b"secret");
        assert!(open(KeyPurpose::SigningKey, b"b").is_err());
        assert!(open(KeyPurpose::IdempotencyResponse, b"a").is_err());
        let other_vault = Vault::new(&[8; 32]).unwrap();
        let opened = other_vault.open(KeyPurpose::SigningKey, b"a", &sealed);
        assert!(opened.is_err());
        let opened = vault.open(KeyPurpose::SigningKey, b"a", b"short");
        assert!(opened.is_err());
    }

    #[test]
    fn keys_and_decrypted_values_are_wiped() {
        fn assert_wiped<T: ZeroizeOnDrop>(_: &T) {}
        let vault = Vault::new(&[7; 32]).unwrap();
        assert_wiped(&vault.current.0);
        let sealed = vault.seal(KeyPurpose::SigningKey, b"a", b"secret").unwrap();
        assert_wiped(&vault.open(KeyPurpose::SigningKey, b"a", &sealed).unwrap());
    }

    #[test]
    fn generated_password_has_at_least_128_bits() {
        let password = generate_password().unwrap();
        let characters = password.chars().filter(|c| *c != '-').count();
        assert!(characters * 5 >= 128, "each character has 5 bits");
        assert_ne!(password, generate_password().unwrap());
    }

    #[test]
    fn values_of_the_previous_key_are_accepted_and_resealed() {
        const PURPOSE: KeyPurpose = KeyPurpose::SigningKey;
        let (old_secret, new_secret) = ([7; 32], [8; 32]);
        let (old, new) = (
            Vault::new(&old_secret).unwrap(),
            Vault::new(&new_secret).unwrap(),
        );
        let both = Vault::with_previous(&new_secret, Some(&old_secret)).unwrap();
        let sealed = old.seal(PURPOSE, b"a", b"secret").unwrap();
        assert_eq!(*both.open(PURPOSE, b"a", &sealed).unwrap(), b"secret");
        let resealed = both.reseal(PURPOSE, b"a", &sealed).unwrap().unwrap();
        assert_eq!(*new.open(PURPOSE, b"a", &resealed).unwrap(), b"secret");
        assert_eq!(both.reseal(PURPOSE, b"a", &resealed).unwrap(), None);
        assert!(new.reseal(PURPOSE, b"a", &sealed).is_err());
        for (vault, is_valid) in [(&old, true), (&both, true), (&new, false)] {
            let mac = old.mac(PURPOSE, b"data");
            assert_eq!(vault.is_mac_valid(PURPOSE, b"data", &mac), is_valid);
        }
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let vault = Vault::new(&[7; 32]).unwrap();
        let macs = KeyPurpose::ALL.map(|purpose| vault.mac(purpose, b"x"));
        for (i, mac) in macs.iter().enumerate() {
            assert_eq!(macs.iter().position(|other| other == mac), Some(i));
        }
    }
}
