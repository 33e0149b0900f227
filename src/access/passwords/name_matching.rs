//! Detects passwords that consist only of the account's names: username, email address, its local part, and the service's
//! name. A password that contains a name among other words is accepted.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

/// Shorter names are ignored, because they occur by chance in many texts.
const MIN_NAME_LENGTH: usize = 3;

/// The names that a password must not consist of, in lower case.
pub(super) struct ForbiddenNames(Vec<Vec<char>>);

impl ForbiddenNames {
    /// Converts the names to lower case. An email address counts as a whole and by its local part.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let with_local_part = |name: &'a str| {
            let local_part = name.rsplit_once('@').map(|(local_part, _)| local_part);
            [Some(name), local_part].into_iter().flatten()
        };
        Self(
            names
                .into_iter()
                .flat_map(with_local_part)
                .map(|name| name.trim().nfc().flat_map(char::to_lowercase).collect())
                .filter(|name: &Vec<char>| name.len() >= MIN_NAME_LENGTH)
                .collect(),
        )
    }

    /// Whether the lower-case text consists of one or more of the names, in any order, with only digits, ASCII
    /// punctuation and white space before, between and after them.
    ///
    /// Around names without a letter (`20241105`), digits are not ignored: `20241105 20241105` consists of the name, a
    /// longer number that contains it does not.
    pub(super) fn match_entirely(&self, text: &[char]) -> bool {
        let (with_letters, without_letters): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .partition(|name| name.iter().any(|c| c.is_alphabetic()));
        consists_of_names(text, &with_letters, |c| c.is_numeric() || is_separator(c))
            || consists_of_names(
                text,
                &[with_letters, without_letters].concat(),
                is_separator,
            )
    }
}

fn is_separator(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_whitespace()
}

/// Whether the text can be split into names and ignorable characters, with at least one name. Depth-first search over
/// positions in the text.
fn consists_of_names(
    text: &[char],
    names: &[&Vec<char>],
    is_ignorable: impl Fn(char) -> bool,
) -> bool {
    let mut visited = HashSet::new();
    let mut pending = vec![(0, false)];
    while let Some((position, has_name)) = pending.pop() {
        let rest = text.get(position..).unwrap_or_default();
        let Some(&next) = rest.first() else {
            if has_name {
                return true;
            }
            continue;
        };
        if !visited.insert((position, has_name)) {
            continue;
        }
        if is_ignorable(next) {
            pending.push((position + 1, has_name));
        }
        let matching_names = names.iter().filter(|name| rest.starts_with(name));
        pending.extend(matching_names.map(|name| (position + name.len(), true)));
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> ForbiddenNames {
        ForbiddenNames::new(["bob.k", "robert.king@example.org", "rosterd"])
    }

    fn match_entirely(names: &ForbiddenNames, text: &str) -> bool {
        names.match_entirely(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn names_alone_repeated_joined_or_padded_are_found() {
        for text in [
            "bob.k",
            "bob.kbob.kbob.k",
            "robert.king@example.org",
            "robert.king",
            "rosterdrosterd",
            "bob.k@rosterd",
            "  rosterd 2024!",
            "1bob.k2rosterd3",
            "robert.king-robert.king",
        ] {
            assert!(match_entirely(&names(), text), "{text}");
        }
    }

    #[test]
    fn text_with_other_words_is_accepted() {
        for text in [
            "",
            "123456789012345",
            "bob.k likes rosterd",
            "robert king of the hill",
            "rosterds",
            "xbob.k",
            "rosterd 😀",
        ] {
            assert!(!match_entirely(&names(), text), "{text}");
        }
    }

    #[test]
    fn short_name_inside_a_long_password_is_accepted() {
        let names = ForbiddenNames::new(["bob", "b@example.org"]);
        assert!(!match_entirely(&names, "kebobs and bobsleighs"));
        assert!(match_entirely(&names, "bob bob bob bob"));
        assert!(!match_entirely(&names, "b b b b b b b b"));
    }

    #[test]
    fn name_of_digits_is_found_alone_but_not_within_other_digits() {
        let names = ForbiddenNames::new(["20241105"]);
        assert!(match_entirely(&names, "20241105 20241105"));
        assert!(!match_entirely(&names, "2024110593625108"));
    }

    #[test]
    fn overlapping_names_are_searched_in_bounded_time() {
        let names = ForbiddenNames::new(["aaa", "aaaa", "aaaaa"]);
        assert!(match_entirely(&names, &"a".repeat(1024)));
        assert!(!match_entirely(&names, &format!("{}b", "a".repeat(1023))));
    }

    proptest! {
        #[test]
        fn any_mix_of_names_and_padding_is_found(
            parts in proptest::collection::vec(
                ("[0-9 ._!-]{0,3}", prop::sample::select(vec!["bob.k", "robert.king", "rosterd"])), 1..5),
            end in "[0-9 ._!-]{0,6}",
        ) {
            let text: String = parts.iter().flat_map(|(pad, name)| [pad.as_str(), name]).collect();
            prop_assert!(match_entirely(&names(), &(text + &end)));
        }

        #[test]
        fn text_with_one_other_letter_is_accepted(position in 0_usize..=15, letter in "[zxåß日]") {
            let mut text = "rosterd rosterd".to_owned();
            text.insert_str(position.min(text.len()), &letter);
            prop_assert!(!match_entirely(&names(), &text));
        }
    }
}
