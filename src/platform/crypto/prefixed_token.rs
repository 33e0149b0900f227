//! Secrets with a recognizable format, so that secret scanners find them in repositories and logs:
//! `<prefix><43 letters and digits><6 letters and digits>`.
//!
//! The 43 characters are 256 random bits in base 62 (`0-9A-Za-z`, most significant digit first). The last 6 are the CRC-32
//! (ISO 3309, as in zlib) of everything before them, in base 62, padded with `0`. The pattern for a scanner is
//! `rst_(pat|cs)_[0-9A-Za-z]{49}`. The checksum is not a security feature: it detects typing errors without a database
//! query.

use super::random_bytes;
use crate::platform::error::AppError;

/// The kind of a secret, which determines its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A personal access token.
    PersonalToken,
    /// The secret of a service client.
    ClientSecret,
}

const BODY_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl TokenKind {
    /// The prefix of the secrets.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::PersonalToken => "rst_pat_",
            Self::ClientSecret => "rst_cs_",
        }
    }

    /// Generates a random secret of this kind.
    ///
    /// # Errors
    /// The random generator fails.
    pub fn generate(self) -> Result<String, AppError> {
        let body = encode_base62::<BODY_LENGTH>(random_bytes::<32>()?);
        let mut secret = format!("{}{body}", self.prefix());
        secret += &checksum(&secret);
        Ok(secret)
    }

    /// Whether the text has the format of a secret of this kind, with a correct checksum. It may still be unknown or
    /// revoked.
    #[must_use]
    pub fn matches(self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix()) else {
            return false;
        };
        let is_well_formed = rest.len() == BODY_LENGTH + CHECKSUM_LENGTH
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_well_formed
            && text
                .split_at_checked(text.len() - CHECKSUM_LENGTH)
                .is_some_and(|(before, sum)| checksum(before) == sum)
    }
}

fn checksum(text: &str) -> String {
    encode_base62::<CHECKSUM_LENGTH>(crc32(text.as_bytes()).to_be_bytes())
}

/// Encodes a big-endian number as `WIDTH` base-62 digits.
fn encode_base62<const WIDTH: usize>(number: impl Into<Vec<u8>>) -> String {
    let mut number = number.into();
    let mut digits = [DIGITS[0]; WIDTH];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            remainder = value % 62;
        }
        let index = usize::try_from(remainder).unwrap_or_default();
        *digit = DIGITS.get(index).copied().unwrap_or(DIGITS[0]);
    }
    digits.map(char::from).iter().collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let overflow = crc & 1;
            (crc >> 1) ^ (POLYNOMIAL * overflow)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without its first `front` and last `back` characters.
    fn trim(text: &str, front: usize, back: usize) -> String {
        let length = text.chars().count() - back;
        text.chars().take(length).skip(front).collect()
    }

    #[test]
    fn crc32_matches_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn base62_digits_are_in_order() {
        assert_eq!(encode_base62::<2>([0]), "00");
        assert_eq!(encode_base62::<2>([61]), "0z");
        assert_eq!(encode_base62::<2>([62]), "10");
        assert_eq!(encode_base62::<6>(u32::MAX.to_be_bytes()), "4gfFC3");
        let max = encode_base62::<43>([0xFF; 32]);
        assert!(max > encode_base62::<43>([0x7F; 32]) && !max.starts_with('0'));
    }

    #[test]
    fn wrong_prefix_or_changed_character_does_not_match() {
        for (kind, other) in [
            (TokenKind::PersonalToken, TokenKind::ClientSecret),
            (TokenKind::ClientSecret, TokenKind::PersonalToken),
        ] {
            let secret = kind.generate().unwrap();
            assert_eq!(secret.len(), kind.prefix().len() + 49);
            assert!(kind.matches(&secret) && !other.matches(&secret));
            assert_ne!(secret, kind.generate().unwrap());
            let swapped = secret.replace(kind.prefix(), other.prefix());
            assert!(!other.matches(&swapped), "the checksum covers the prefix");
            for i in kind.prefix().len()..secret.len() {
                let mut changed = secret.clone().into_bytes();
                changed[i] = if changed[i] == b'a' { b'b' } else { b'a' };
                let changed = String::from_utf8(changed).unwrap();
                assert!(!kind.matches(&changed), "character {i}");
            }
            for text in [
                "",
                kind.prefix(),
                &trim(&secret, 1, 0),
                &trim(&secret, 0, 1),
            ] {
                assert!(!kind.matches(text));
            }
            assert!(!kind.matches(&format!("{secret}0")));
            assert!(!kind.matches(&format!("{}é", trim(&secret, 0, 2))));
        }
    }
}
