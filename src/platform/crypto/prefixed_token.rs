//! Secrets that say what they are, so that a scanner that finds one in a repository or a log knows it without asking
//! anybody: `<mark><43 letters and digits><6 letters and digits>`.
//!
//! The 43 are 256 random bits in base 62 (`0-9A-Za-z`, the greatest digit first). The 6 are the CRC-32 (of ISO 3309, as in
//! zlib) of all that stands before them, in base 62 too, filled up with `0`. A pattern that finds them is
//! `rst_(pat|cs)_[0-9A-Za-z]{49}`. The checksum keeps nothing secret: it tells a slip of the hand from a secret that is
//! not good any more, before the database is asked.

use super::random;
use crate::platform::error::AppError;

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A personal access token.
    PersonalToken,
    /// The secret of a service client.
    ClientSecret,
}

const BODY: usize = 43;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl TokenKind {
    /// How such a secret begins.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::PersonalToken => "rst_pat_",
            Self::ClientSecret => "rst_cs_",
        }
    }

    /// A new secret with this mark.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn make(self) -> Result<String, AppError> {
        let mut text = format!("{}{}", self.text(), base62::<BODY>(random::<32>()?));
        text += &checksum(&text);
        Ok(text)
    }

    /// Whether the text is a secret with this mark, as far as one can see without knowing which there are.
    #[must_use]
    pub fn is_on(self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.text()) else {
            return false;
        };
        let is_whole =
            rest.len() == BODY + CHECKSUM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_whole
            && text
                .split_at_checked(text.len() - CHECKSUM)
                .is_some_and(|(before, sum)| checksum(before) == sum)
    }
}

fn checksum(text: &str) -> String {
    base62::<CHECKSUM>(crc32(text.as_bytes()).to_be_bytes())
}

/// A number, given in bytes, the greatest first, in `WIDTH` digits of base 62.
fn base62<const WIDTH: usize>(number: impl Into<Vec<u8>>) -> String {
    let mut number = number.into();
    let mut digits = [DIGITS[0]; WIDTH];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        let index = usize::try_from(rest).unwrap_or_default();
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

    /// The text without so many characters in front and behind.
    fn cut(text: &str, front: usize, behind: usize) -> String {
        let kept = text.chars().count() - behind;
        text.chars().take(kept).skip(front).collect()
    }

    #[test]
    fn the_checksum_is_the_crc_that_everybody_has() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn base_62_has_all_its_digits_in_order() {
        assert_eq!(base62::<2>([0]), "00");
        assert_eq!(base62::<2>([61]), "0z");
        assert_eq!(base62::<2>([62]), "10");
        assert_eq!(base62::<6>(u32::MAX.to_be_bytes()), "4gfFC3");
        let greatest = base62::<43>([0xFF; 32]);
        assert!(greatest > base62::<43>([0x7F; 32]) && !greatest.starts_with('0'));
    }

    #[test]
    fn a_secret_is_known_by_its_mark_and_a_slip_is_noticed() {
        for (mark, other) in [
            (TokenKind::PersonalToken, TokenKind::ClientSecret),
            (TokenKind::ClientSecret, TokenKind::PersonalToken),
        ] {
            let secret = mark.make().unwrap();
            assert_eq!(secret.len(), mark.text().len() + 49);
            assert!(mark.is_on(&secret) && !other.is_on(&secret));
            assert_ne!(secret, mark.make().unwrap());
            let swapped = secret.replace(mark.text(), other.text());
            assert!(!other.is_on(&swapped), "the mark is part of what is summed");
            for at in mark.text().len()..secret.len() {
                let mut slip = secret.clone().into_bytes();
                slip[at] = if slip[at] == b'a' { b'b' } else { b'a' };
                assert!(!mark.is_on(&String::from_utf8(slip).unwrap()), "at {at}");
            }
            for wrong in ["", mark.text(), &cut(&secret, 1, 0), &cut(&secret, 0, 1)] {
                assert!(!mark.is_on(wrong));
            }
            assert!(!mark.is_on(&format!("{secret}0")));
            assert!(!mark.is_on(&format!("{}é", cut(&secret, 0, 2))));
        }
    }
}
