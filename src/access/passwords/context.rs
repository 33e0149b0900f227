//! Whether a password is only the account's own names: username, email, its local part, the service.
//! A password that merely contains one of them among other words is not refused.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

/// Names shorter than this are found in any text and prove nothing.
const SHORTEST_NAME: usize = 3;

/// The names that must not make up a password, folded to lower case.
pub(super) struct Names(Vec<Vec<char>>);

impl Names {
    /// Folds the names; an email counts as a whole and by its local part.
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
                .filter(|name: &Vec<char>| name.len() >= SHORTEST_NAME)
                .collect(),
        )
    }

    /// Whether the text, folded to lower case, is one or more of the names, in any order and number,
    /// with only digits, ASCII punctuation and white space before, between and after them.
    ///
    /// Names without a letter (`20241105`) are told from other digits only when no digits may be added
    /// to them: `20241105 20241105` is refused, some long number that holds them is not.
    pub(super) fn make_up(&self, text: &[char]) -> bool {
        let (lettered, letterless): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .partition(|name| name.iter().any(|c| c.is_alphabetic()));
        is_made_of(text, &lettered, |c| c.is_numeric() || is_separator(c))
            || is_made_of(text, &[lettered, letterless].concat(), is_separator)
    }
}

fn is_separator(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_whitespace()
}

/// Whether the text can be read as names and ignorable characters, with at least one name.
fn is_made_of(text: &[char], names: &[&Vec<char>], ignorable: impl Fn(char) -> bool) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(0, false)];
    while let Some((at, named)) = open.pop() {
        let rest = text.get(at..).unwrap_or_default();
        let Some(&next) = rest.first() else {
            if named {
                return true;
            }
            continue;
        };
        if !seen.insert((at, named)) {
            continue;
        }
        if ignorable(next) {
            open.push((at + 1, named));
        }
        let names_here = names.iter().filter(|name| rest.starts_with(name));
        open.extend(names_here.map(|name| (at + name.len(), true)));
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Names {
        Names::new(["bob.k", "robert.king@example.org", "rosterd"])
    }

    fn made_up(names: &Names, text: &str) -> bool {
        names.make_up(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn names_alone_repeated_joined_or_padded_are_seen() {
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
            assert!(made_up(&names(), text), "{text}");
        }
    }

    #[test]
    fn other_words_beside_a_name_are_enough() {
        for text in [
            "",
            "123456789012345",
            "bob.k likes rosterd",
            "robert king of the hill",
            "rosterds",
            "xbob.k",
            "rosterd 😀",
        ] {
            assert!(!made_up(&names(), text), "{text}");
        }
    }

    #[test]
    fn a_short_name_inside_a_long_password_is_no_reason() {
        let names = Names::new(["bob", "b@example.org"]);
        assert!(!made_up(&names, "kebobs and bobsleighs"));
        assert!(made_up(&names, "bob bob bob bob"));
        assert!(!made_up(&names, "b b b b b b b b"));
    }

    #[test]
    fn a_name_of_digits_is_refused_alone_but_not_in_other_digits() {
        let names = Names::new(["20241105"]);
        assert!(made_up(&names, "20241105 20241105"));
        assert!(!made_up(&names, "2024110593625108"));
    }

    #[test]
    fn names_that_overlap_are_read_every_way_in_good_time() {
        let names = Names::new(["aaa", "aaaa", "aaaaa"]);
        assert!(made_up(&names, &"a".repeat(1024)));
        assert!(!made_up(&names, &format!("{}b", "a".repeat(1023))));
    }

    proptest! {
        #[test]
        fn any_mix_of_names_and_padding_is_seen(
            parts in proptest::collection::vec(
                ("[0-9 ._!-]{0,3}", prop::sample::select(vec!["bob.k", "robert.king", "rosterd"])), 1..5),
            end in "[0-9 ._!-]{0,6}",
        ) {
            let text: String = parts.iter().flat_map(|(pad, name)| [pad.as_str(), name]).collect();
            prop_assert!(made_up(&names(), &(text + &end)));
        }

        #[test]
        fn one_foreign_letter_anywhere_is_enough(at in 0_usize..=15, letter in "[zxåß日]") {
            let mut text = "rosterd rosterd".to_owned();
            text.insert_str(at.min(text.len()), &letter);
            prop_assert!(!made_up(&names(), &text));
        }
    }
}
