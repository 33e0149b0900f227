//! Shapes that make a long text easy to guess: runs along the keyboard or the alphabet, and repetition.
//! Texts come folded to lower case, as code points. Says what a text is made of, not what to do about it.

use zeroize::Zeroizing;

/// The paths a finger follows, read both ways. Digits stand twice so that a run may pass from 9 to 0 to 1.
const PATHS: &[&str] = &[
    "12345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "!@#$%^&*()_+",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik,",
    "9ol.",
    "0p;/",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
];

/// Shorter than this, neighbours are chance: "were" and "stop" hold none, many words hold pairs.
const SHORTEST_RUN: usize = 3;

/// Whether the text is runs and little else: with every run counted as one character, at most a third
/// of it is left. `qwertyuiopasdfg`, `111222333444555` and `1q2w3e4r5t6y7u8i` (two runs, interleaved) are.
pub(super) fn is_mostly_runs(text: &[char]) -> bool {
    is_runs(text) || (is_runs(&every_other(text)) && is_runs(&every_other(tail(text, 1))))
}

/// The unit of a text that is one unit over and over, at least twice; the last time may break off.
/// The shortest one is given.
pub(super) fn repeated_unit(text: &[char]) -> Option<&[char]> {
    (1..=text.len() / 2)
        .find(|&period| {
            tail(text, period)
                .iter()
                .eq(text.iter().take(text.len() - period))
        })
        .and_then(|period| text.get(..period))
}

fn is_runs(text: &[char]) -> bool {
    let most_left = text.len() / 3;
    let mut left = 0;
    let mut rest = text;
    while !rest.is_empty() && left <= most_left {
        let run = run_length(rest);
        rest = tail(rest, if run >= SHORTEST_RUN { run } else { 1 });
        left += 1;
    }
    left <= most_left
}

/// How far the text follows one path, or repeats one character, from its start.
fn run_length(text: &[char]) -> usize {
    let Some(&first) = text.first() else { return 0 };
    PATHS
        .iter()
        .flat_map(|path| {
            [
                common_length(path.chars().skip_while(|&step| step != first), text),
                common_length(path.chars().rev().skip_while(|&step| step != first), text),
            ]
        })
        .chain([common_length(std::iter::repeat(first), text)])
        .max()
        .unwrap_or_default()
}

fn common_length(path: impl Iterator<Item = char>, text: &[char]) -> usize {
    path.zip(text)
        .take_while(|(step, typed)| step == *typed)
        .count()
}

fn every_other(text: &[char]) -> Zeroizing<Vec<char>> {
    Zeroizing::new(text.iter().step_by(2).copied().collect())
}

fn tail(text: &[char], from: usize) -> &[char] {
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn runs_are_seen_in_both_directions_and_interleaved() {
        for text in [
            "aaaaaaaaaaaaaaa",
            "qwertyuiopasdfg",
            "123456789012345",
            "098765432109876",
            "zyxwvutsrqponml",
            "111222333444555",
            "1qaz2wsx3edc4rfv",
            "1q2w3e4r5t6y7u8i",
            "q1w2e3r4t5y6u7i8",
            "112233445566778899",
            "abcdefgh12345678",
            "!@#$%^&*()!@#$%^&",
            "йцукенгшщзхъфывап",
            "11111111111111x",
            "😀😀😀😀😀😀😀😀",
        ] {
            assert!(is_mostly_runs(&chars(text)), "{text}");
        }
    }

    #[test]
    fn plain_words_are_no_runs() {
        for text in [
            "correct horse battery staple",
            "were you stopping there",
            "property of the poets",
            "thirtythreetrees",
            "kxqvz123",
            "12345678noqwas",
            "😀😎🐴🔋📎🎉🍎🚲",
        ] {
            assert!(!is_mostly_runs(&chars(text)), "{text}");
        }
    }

    #[test]
    fn a_repeated_unit_is_found_even_when_it_breaks_off() {
        let unit = |text: &str| repeated_unit(&chars(text)).map(String::from_iter);
        assert_eq!(unit("passwordpassword").as_deref(), Some("password"));
        assert_eq!(unit("abcabcabcab").as_deref(), Some("abc"));
        assert_eq!(unit("zzzz").as_deref(), Some("z"));
        assert_eq!(unit("passwordpasswor"), None);
        assert_eq!(unit("abcdefabcdeg"), None);
        assert_eq!(unit("x"), None);
        assert_eq!(unit(""), None);
    }

    proptest! {
        #[test]
        fn whatever_is_repeated_has_a_unit_no_longer_than_it(unit in "\\PC{1,12}", times in 2_usize..6) {
            let unit = chars(&unit);
            let text = unit.repeat(times);
            let found = repeated_unit(&text).map(<[char]>::len);
            prop_assert!(found.is_some_and(|length| length <= unit.len()));
        }

        #[test]
        fn text_of_any_kind_is_judged_without_a_fault(text in "\\PC{0,200}") {
            let text = chars(&text);
            is_mostly_runs(&text);
            repeated_unit(&text);
        }
    }
}
