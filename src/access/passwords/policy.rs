//! What a password must be to be chosen: long enough, not a common one, not the account's own names.
//! One policy for every path that sets a password; there are no composition rules (NIST SP 800-63B-4,
//! 3.1.1.2; OWASP ASVS 5.0, 6.2).

use thiserror::Error;
use zeroize::Zeroizing;

use super::common::is_common;
use super::context::Names;
use super::secret::Password;

/// The rules for a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    min_length: usize,
}

/// The setting `ROSTERD_PASSWORD_MIN_LENGTH` is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a minimum password length of {0} is not possible: it must be from {min} to {max}",
    min = Policy::LEAST_MIN_LENGTH,
    max = Policy::MOST_MIN_LENGTH
)]
pub struct InvalidPolicy(usize);

/// Whose password it is going to be: names that must not make it up.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The account's username.
    pub username: &'a str,
    /// The account's email address, if it has one.
    pub email: Option<&'a str>,
    /// The name of the service.
    pub service: &'a str,
}

/// One reason why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer characters than the policy's minimum, which is given.
    TooShort(usize),
    /// More than [`Password::MAX_BYTES`] bytes.
    TooLong,
    /// On the list of common passwords, or an obvious pattern.
    TooCommon,
    /// Made up of the username, the email address or the service's name.
    ContainsContext,
}

impl Policy {
    /// The minimum without a second factor (NIST SP 800-63B-4, 3.1.1.2).
    pub const DEFAULT_MIN_LENGTH: usize = 15;
    /// No setting may ask for less.
    pub const LEAST_MIN_LENGTH: usize = 8;
    /// No setting may ask for more: every password within [`Password::MAX_BYTES`] must have a chance.
    pub const MOST_MIN_LENGTH: usize = 128;

    /// A policy that asks for at least this many characters (Unicode code points after NFC).
    ///
    /// # Errors
    /// When it is not from 8 to 128.
    pub fn new(min_length: usize) -> Result<Self, InvalidPolicy> {
        if (Self::LEAST_MIN_LENGTH..=Self::MOST_MIN_LENGTH).contains(&min_length) {
            Ok(Self { min_length })
        } else {
            Err(InvalidPolicy(min_length))
        }
    }

    /// The fewest characters a password may have.
    #[must_use]
    pub fn min_length(self) -> usize {
        self.min_length
    }

    /// Whether the password may be set for this account.
    ///
    /// # Errors
    /// Every reason against it, so that the next try need not fail for another; a password that is too
    /// long is not looked at further.
    pub fn check(self, password: &Password, context: &Context<'_>) -> Result<(), Vec<Weakness>> {
        if password.is_too_long() {
            return Err(vec![Weakness::TooLong]);
        }
        let text = fold(password);
        let too_short = password.as_str().chars().count() < self.min_length;
        let weaknesses: Vec<Weakness> = [
            too_short.then_some(Weakness::TooShort(self.min_length)),
            is_common(&text).then_some(Weakness::TooCommon),
            context
                .names()
                .make_up(&text)
                .then_some(Weakness::ContainsContext),
        ]
        .into_iter()
        .flatten()
        .collect();
        if weaknesses.is_empty() {
            Ok(())
        } else {
            Err(weaknesses)
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_length: Self::DEFAULT_MIN_LENGTH,
        }
    }
}

impl Context<'_> {
    fn names(&self) -> Names {
        Names::new([self.username, self.service].into_iter().chain(self.email))
    }
}

impl Weakness {
    /// The stable code of the API's error entries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort(_) => "too_short",
            Self::TooLong => "too_long",
            Self::TooCommon => "too_common",
            Self::ContainsContext => "contains_context",
        }
    }

    /// One line for the person who chose it: what is wrong and what would be better.
    #[must_use]
    pub fn detail(self) -> String {
        match self {
            Self::TooShort(min_length) => {
                format!("use at least {min_length} characters; a few words in a row are easy to remember")
            }
            Self::TooLong => format!("use at most {} bytes", Password::MAX_BYTES),
            Self::TooCommon => {
                "this is a common password or an obvious pattern and is guessed first; use something of your own"
                    .to_owned()
            }
            Self::ContainsContext => {
                "this is made up of the username, the email address or the service's name; use other words"
                    .to_owned()
            }
        }
    }
}

/// Lower case, as code points.
fn fold(password: &Password) -> Zeroizing<Vec<char>> {
    // Lower-casing never gives more code points than there were bytes, so this never moves.
    let mut folded = Zeroizing::new(Vec::with_capacity(password.as_str().len()));
    folded.extend(password.as_str().chars().flat_map(char::to_lowercase));
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    const ALICE: Context<'_> = Context {
        username: "alice",
        email: Some("Alice.Smith@example.org"),
        service: "rosterd",
    };

    fn check(policy: Policy, text: &str) -> Result<(), Vec<Weakness>> {
        policy.check(&Password::new(text.to_owned()), &ALICE)
    }

    fn by_default(text: &str) -> Result<(), Vec<Weakness>> {
        check(Policy::default(), text)
    }

    #[test]
    fn fifteen_characters_are_the_default_and_eight_the_least() {
        assert_eq!(
            by_default("wmfqohzdbrxtyj"),
            Err(vec![Weakness::TooShort(15)])
        );
        assert_eq!(by_default("wmfqohzdbrxtyjk"), Ok(()));
        let eight = Policy::new(8).unwrap();
        assert_eq!(check(eight, "wmfqohz"), Err(vec![Weakness::TooShort(8)]));
        assert_eq!(check(eight, "wmfqohzd"), Ok(()));
        assert_eq!(Policy::new(7), Err(InvalidPolicy(7)));
        assert_eq!(Policy::new(129), Err(InvalidPolicy(129)));
        assert_eq!(Policy::new(128).unwrap().min_length(), 128);
        assert_eq!(
            InvalidPolicy(7).to_string(),
            "a minimum password length of 7 is not possible: it must be from 8 to 128"
        );
    }

    #[test]
    fn length_is_code_points_after_nfc() {
        let letters =
            "\u{e5}\u{e9}\u{ee}\u{f8}\u{fc}\u{f1}\u{e7}\u{e4}\u{f6}\u{ec}\u{fa}\u{ea}\u{f5}\u{fd}";
        let decomposed: String = letters.nfd().collect();
        assert_eq!(
            (letters.chars().count(), decomposed.chars().count()),
            (14, 27)
        );
        for typed in [letters, &decomposed] {
            assert_eq!(by_default(typed), Err(vec![Weakness::TooShort(15)]));
            assert_eq!(by_default(&format!("{typed}x")), Ok(()));
        }
    }

    #[test]
    fn a_thousand_and_twenty_four_bytes_are_the_most() {
        let sentence = |bytes: usize| {
            "seven blue owls read a map; "
                .repeat(40)
                .split_at(bytes - 1)
                .0
                .to_owned()
                + "x"
        };
        let distinct = |bytes: usize| {
            let mut text = (0_u32..)
                .map(|n| format!("{} ", n * n * 7919))
                .take(400)
                .collect::<String>();
            text.truncate(bytes);
            text
        };
        assert_eq!(by_default(&distinct(1024)), Ok(()));
        assert_eq!(by_default(&distinct(1025)), Err(vec![Weakness::TooLong]));
        assert_eq!(by_default(&sentence(1025)), Err(vec![Weakness::TooLong]));
        // 256 characters of four bytes each are the limit exactly.
        let emoji = |count: u32| {
            (0..count)
                .filter_map(|n| char::from_u32(0x1F300 + n))
                .collect::<String>()
        };
        assert_eq!(by_default(&emoji(256)), Ok(()));
        assert_eq!(by_default(&emoji(257)), Err(vec![Weakness::TooLong]));
    }

    #[test]
    fn nothing_is_asked_of_the_mix_of_characters() {
        for text in [
            "wmfqohzdbrxtyjk",
            "correct horse battery staple",
            "               x lies behind",
            "843976150284736",
            "😀😎🐴🔋📎🎉🍎🚲🌍🌙⭐🔥🍕🎸🚀",
            "пятнадцать букв подряд",
            "口令必须足够长才可以使用因为安全重要",
        ] {
            assert_eq!(by_default(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for text in [
            "ManchesterUnited",
            "PasswordPassword",
            "QWERTYUIOPASDFG",
            "111111111111111",
        ] {
            assert_eq!(by_default(text), Err(vec![Weakness::TooCommon]), "{text}");
        }
        assert_eq!(
            check(Policy::new(8).unwrap(), "PassWord"),
            Err(vec![Weakness::TooCommon])
        );
    }

    #[test]
    fn the_accounts_own_names_are_refused_in_any_case() {
        for text in [
            "Alice.Smith@Example.ORG",
            "alice.smith!2024",
            "ALICE at rosterd".replace(" at ", "@@@@").as_str(),
            "rosterd-alice-rosterd",
        ] {
            assert_eq!(
                by_default(text),
                Err(vec![Weakness::ContainsContext]),
                "{text}"
            );
        }
        assert_eq!(by_default("alice in wonderland"), Ok(()));
    }

    #[test]
    fn all_reasons_are_given_at_once_with_their_codes() {
        let codes: Vec<_> = by_default("rosterdrosterd")
            .unwrap_err()
            .into_iter()
            .map(Weakness::code)
            .collect();
        assert_eq!(codes, ["too_short", "too_common", "contains_context"]);
        assert!(Weakness::TooShort(15).detail().contains("15"));
        assert_eq!(Weakness::TooLong.code(), "too_long");
        assert!(Weakness::TooLong.detail().contains("1024"));
    }

    proptest! {
        #[test]
        fn a_password_shorter_than_the_minimum_never_passes(
            min in Policy::LEAST_MIN_LENGTH..40, text in "\\PC{0,60}",
        ) {
            let length = Password::new(text.clone()).as_str().chars().count();
            let answer = check(Policy::new(min).unwrap(), &text);
            let said = answer.as_ref().is_err_and(|reasons| reasons.contains(&Weakness::TooShort(min)));
            prop_assert_eq!(said, length < min);
        }

        #[test]
        fn the_answer_does_not_hang_on_the_case_of_ascii_letters(text in "[a-zA-Z0-9 !]{0,30}") {
            prop_assert_eq!(by_default(&text), by_default(&text.to_ascii_uppercase()));
        }

        #[test]
        fn folding_stays_in_its_first_allocation(text in "[İIıẞÅKΣﬃ\\PC]{0,40}") {
            let password = Password::new(text);
            prop_assert!(fold(&password).len() <= password.as_str().len());
        }
    }
}
