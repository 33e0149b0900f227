//! The password policy: minimum and maximum length, no common passwords, no passwords that consist of the account's names.
//! It applies wherever a password is set. There are no composition rules (NIST SP 800-63B-4, 3.1.1.2; OWASP ASVS 5.0, 6.2).

use thiserror::Error;
use zeroize::Zeroizing;

use super::common_passwords::is_common;
use super::name_matching::ForbiddenNames;
use super::password::Password;

/// The rules for a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    min_length: usize,
}

/// `ROSTERD_PASSWORD_MIN_LENGTH` is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the minimum password length is {0}, but it must be {min} to {max}",
    min = PasswordPolicy::SMALLEST_MIN_LENGTH,
    max = PasswordPolicy::LARGEST_MIN_LENGTH
)]
pub struct MinLengthOutOfRange(usize);

/// The names that the password must not consist of.
#[derive(Clone, Copy)]
pub struct PasswordContext<'a> {
    /// The account's username.
    pub username: &'a str,
    /// The account's email address, if it has one.
    pub email: Option<&'a str>,
    /// The name of the service.
    pub service: &'a str,
}

/// A reason why a password is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordWeakness {
    /// Fewer characters than the minimum, which is the value.
    TooShort(usize),
    /// Longer than [`Password::MAX_BYTES`].
    TooLong,
    /// A common password or an obvious pattern.
    TooCommon,
    /// Consists of the username, the email address or the service's name.
    ContainsContext,
    /// On the operator's list of breached passwords. [`PasswordPolicy::check`] does not look it up.
    Breached,
}

impl PasswordPolicy {
    /// The minimum for single-factor authentication (NIST SP 800-63B-4, 3.1.1.2).
    pub const DEFAULT_MIN_LENGTH: usize = 15;
    /// The smallest minimum length that can be configured.
    pub const SMALLEST_MIN_LENGTH: usize = 8;
    /// The largest minimum length that can be configured. It keeps the minimum well below [`Password::MAX_BYTES`].
    pub const LARGEST_MIN_LENGTH: usize = 128;

    /// A policy with this minimum length in characters (Unicode code points after NFC).
    ///
    /// # Errors
    /// If the length is not 8 to 128.
    pub fn new(min_length: usize) -> Result<Self, MinLengthOutOfRange> {
        if (Self::SMALLEST_MIN_LENGTH..=Self::LARGEST_MIN_LENGTH).contains(&min_length) {
            Ok(Self { min_length })
        } else {
            Err(MinLengthOutOfRange(min_length))
        }
    }

    /// The minimum length in characters.
    #[must_use]
    pub fn min_length(self) -> usize {
        self.min_length
    }

    /// Checks whether the password may be set for this account.
    ///
    /// # Errors
    /// All weaknesses, so that the user can correct them at once. A password that is too long is not checked further.
    pub fn check(
        self,
        password: &Password,
        context: &PasswordContext<'_>,
    ) -> Result<(), Vec<PasswordWeakness>> {
        if password.is_too_long() {
            return Err(vec![PasswordWeakness::TooLong]);
        }
        let text = to_lowercase_chars(password);
        let is_too_short = password.as_str().chars().count() < self.min_length;
        let weaknesses: Vec<PasswordWeakness> = [
            is_too_short.then_some(PasswordWeakness::TooShort(self.min_length)),
            is_common(&text).then_some(PasswordWeakness::TooCommon),
            context
                .forbidden_names()
                .match_entirely(&text)
                .then_some(PasswordWeakness::ContainsContext),
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

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: Self::DEFAULT_MIN_LENGTH,
        }
    }
}

impl PasswordContext<'_> {
    fn forbidden_names(&self) -> ForbiddenNames {
        ForbiddenNames::new([self.username, self.service].into_iter().chain(self.email))
    }
}

impl PasswordWeakness {
    /// The stable error code in the API.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort(_) => "too_short",
            Self::TooLong => "too_long",
            Self::TooCommon => "too_common",
            Self::ContainsContext => "contains_context",
            Self::Breached => "breached",
        }
    }

    /// The message for the user.
    #[must_use]
    pub fn detail(self) -> String {
        match self {
            Self::TooShort(min_length) => {
                format!(
                    "must have at least {min_length} characters; several words in a row are easy to remember"
                )
            }
            Self::TooLong => format!("must have at most {} bytes of UTF-8", Password::MAX_BYTES),
            Self::TooCommon => {
                "is a common password or an obvious pattern; choose one that is harder to guess"
                    .to_owned()
            }
            Self::ContainsContext => {
                "consists of the username, the email address or the service's name; add other words"
                    .to_owned()
            }
            Self::Breached => {
                "is known from a data breach of another service; choose a different one".to_owned()
            }
        }
    }
}

/// The password in lower case, as code points.
fn to_lowercase_chars(password: &Password) -> Zeroizing<Vec<char>> {
    // Lower-casing never gives more code points than there are bytes of UTF-8, so the buffer is never reallocated and no
    // copy is left in freed memory.
    let mut chars = Zeroizing::new(Vec::with_capacity(password.as_str().len()));
    chars.extend(password.as_str().chars().flat_map(char::to_lowercase));
    chars
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    const ALICE_CONTEXT: PasswordContext<'_> = PasswordContext {
        username: "alice",
        email: Some("Alice.Smith@example.org"),
        service: "rosterd",
    };

    fn check(policy: PasswordPolicy, text: &str) -> Result<(), Vec<PasswordWeakness>> {
        policy.check(&Password::new(text.to_owned()), &ALICE_CONTEXT)
    }

    fn check_default(text: &str) -> Result<(), Vec<PasswordWeakness>> {
        check(PasswordPolicy::default(), text)
    }

    #[test]
    fn default_minimum_is_fifteen_characters_and_smallest_is_eight() {
        assert_eq!(
            check_default("wmfqohzdbrxtyj"),
            Err(vec![PasswordWeakness::TooShort(15)])
        );
        assert_eq!(check_default("wmfqohzdbrxtyjk"), Ok(()));
        let eight = PasswordPolicy::new(8).unwrap();
        assert_eq!(
            check(eight, "wmfqohz"),
            Err(vec![PasswordWeakness::TooShort(8)])
        );
        assert_eq!(check(eight, "wmfqohzd"), Ok(()));
        assert_eq!(PasswordPolicy::new(7), Err(MinLengthOutOfRange(7)));
        assert_eq!(PasswordPolicy::new(129), Err(MinLengthOutOfRange(129)));
        assert_eq!(PasswordPolicy::new(128).unwrap().min_length(), 128);
        assert_eq!(
            MinLengthOutOfRange(7).to_string(),
            "the minimum password length is 7, but it must be 8 to 128"
        );
    }

    #[test]
    fn length_is_counted_in_code_points_after_nfc() {
        let letters =
            "\u{e5}\u{e9}\u{ee}\u{f8}\u{fc}\u{f1}\u{e7}\u{e4}\u{f6}\u{ec}\u{fa}\u{ea}\u{f5}\u{fd}";
        let decomposed: String = letters.nfd().collect();
        assert_eq!(
            (letters.chars().count(), decomposed.chars().count()),
            (14, 27)
        );
        for text in [letters, &decomposed] {
            assert_eq!(
                check_default(text),
                Err(vec![PasswordWeakness::TooShort(15)])
            );
            assert_eq!(check_default(&format!("{text}x")), Ok(()));
        }
    }

    #[test]
    fn maximum_length_is_1024_bytes() {
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
        assert_eq!(check_default(&distinct(1024)), Ok(()));
        assert_eq!(
            check_default(&distinct(1025)),
            Err(vec![PasswordWeakness::TooLong])
        );
        assert_eq!(
            check_default(&sentence(1025)),
            Err(vec![PasswordWeakness::TooLong])
        );
        // 256 characters of four bytes each reach the limit exactly.
        let emoji = |count: u32| {
            (0..count)
                .filter_map(|n| char::from_u32(0x1F300 + n))
                .collect::<String>()
        };
        assert_eq!(check_default(&emoji(256)), Ok(()));
        assert_eq!(
            check_default(&emoji(257)),
            Err(vec![PasswordWeakness::TooLong])
        );
    }

    #[test]
    fn there_are_no_composition_rules() {
        for text in [
            "wmfqohzdbrxtyjk",
            "correct horse battery staple",
            "               x lies behind",
            "843976150284736",
            "😀😎🐴🔋📎🎉🍎🚲🌍🌙⭐🔥🍕🎸🚀",
            "пятнадцать букв подряд",
            "口令必须足够长才可以使用因为安全重要",
        ] {
            assert_eq!(check_default(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn common_passwords_are_rejected_in_upper_and_lower_case() {
        for text in [
            "ManchesterUnited",
            "PasswordPassword",
            "QWERTYUIOPASDFG",
            "111111111111111",
        ] {
            assert_eq!(
                check_default(text),
                Err(vec![PasswordWeakness::TooCommon]),
                "{text}"
            );
        }
        assert_eq!(
            check(PasswordPolicy::new(8).unwrap(), "PassWord"),
            Err(vec![PasswordWeakness::TooCommon])
        );
    }

    #[test]
    fn names_of_the_account_are_rejected_in_upper_and_lower_case() {
        for text in [
            "Alice.Smith@Example.ORG",
            "alice.smith!2024",
            "ALICE at rosterd".replace(" at ", "@@@@").as_str(),
            "rosterd-alice-rosterd",
        ] {
            assert_eq!(
                check_default(text),
                Err(vec![PasswordWeakness::ContainsContext]),
                "{text}"
            );
        }
        assert_eq!(check_default("alice in wonderland"), Ok(()));
    }

    #[test]
    fn all_weaknesses_are_reported_with_their_codes() {
        let codes: Vec<_> = check_default("rosterdrosterd")
            .unwrap_err()
            .into_iter()
            .map(PasswordWeakness::code)
            .collect();
        assert_eq!(codes, ["too_short", "too_common", "contains_context"]);
        assert!(PasswordWeakness::TooShort(15).detail().contains("15"));
        assert_eq!(PasswordWeakness::TooLong.code(), "too_long");
        assert!(PasswordWeakness::TooLong.detail().contains("1024"));
    }

    proptest! {
        #[test]
        fn every_password_shorter_than_the_minimum_is_rejected(
            min in PasswordPolicy::SMALLEST_MIN_LENGTH..40, text in "\\PC{0,60}",
        ) {
            let length = Password::new(text.clone()).as_str().chars().count();
            let result = check(PasswordPolicy::new(min).unwrap(), &text);
            let is_too_short = result.as_ref().is_err_and(|weaknesses| weaknesses.contains(&PasswordWeakness::TooShort(min)));
            prop_assert_eq!(is_too_short, length < min);
        }

        #[test]
        fn result_does_not_depend_on_the_case_of_ascii_letters(text in "[a-zA-Z0-9 !]{0,30}") {
            prop_assert_eq!(check_default(&text), check_default(&text.to_ascii_uppercase()));
        }

        #[test]
        fn lower_casing_never_reallocates(text in "[İIıẞÅKΣﬃ\\PC]{0,40}") {
            let password = Password::new(text);
            prop_assert!(to_lowercase_chars(&password).len() <= password.as_str().len());
        }
    }
}
